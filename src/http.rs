//! The API: HTTP with JSON under `/v1`, described by `/openapi.json`.
//!
//! Invariant: what a route needs (a role, a token bound to nobody) stands in its description, and the
//! router asks the description. A route without one cannot be reached.

mod access;
mod audit;
mod columns;
mod connection;
mod cycles;
mod describe;
mod health;
mod holds;
mod input;
mod limits;
mod memory;
mod page;
mod patience;
mod pauses;
mod plans;
mod policies;
mod problem;
mod rate;
mod rules;
mod scoped;
mod server;
mod status;
mod tenant;
mod tls;
mod wire;
mod world;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::sync::{Notify, Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use self::access::{Access, Caller};
use self::columns::Columns;
use self::memory::{Memory, Seen};
use self::problem::{Answer, Problem};
use self::rate::Rates;
use crate::ledger::{Ledger, LedgerError};
use crate::schedule::{Live, Status};

pub use server::{serve, serve_metrics};

/// What the API works with. The loop of the sidecar owns the other ends.
#[derive(Clone)]
pub struct App {
    /// The configuration and the engine made from it; replaced as a whole by a reload.
    pub live: watch::Receiver<Arc<Live>>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// What the sidecar does at present.
    pub status: watch::Receiver<Status>,
    /// Wakes the loop: after an approval, a resume, a release of a hold.
    pub wake: Arc<Notify>,
    /// Renders the metrics as Prometheus reads them.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Called after each request, for metrics and logs.
    pub observer: Arc<dyn Fn(&Answered<'_>) + Send + Sync>,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The route as the description names it, such as `/v1/rules/{id}`; `none` where there is none.
    pub route: &'a str,
    /// The method.
    pub method: &'a str,
    /// The status.
    pub status: u16,
    /// How long it took.
    pub duration: Duration,
}

/// What handlers share.
struct Shared {
    app: App,
    access: Access,
    memory: Arc<Memory>,
    columns: Columns,
    requests: Semaphore,
    rates: Rates,
    probes: limits::Probes,
}

impl Shared {
    fn new(app: App, description: &OpenApi) -> Arc<Self> {
        Arc::new(Self {
            app,
            access: Access::of(description),
            memory: Arc::default(),
            columns: Columns::default(),
            requests: Semaphore::new(limits::MOST_REQUESTS),
            rates: Rates::default(),
            probes: limits::Probes::default(),
        })
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.app.live.borrow())
    }

    fn body_limit(&self) -> usize {
        self.app.live.borrow().config.api.body_limit
    }

    fn timeout(&self) -> Duration {
        self.app.live.borrow().config.api.timeout
    }

    /// The rules as they are, with all changes of the caller.
    async fn see(&self, caller: &Caller) -> Answer<Seen> {
        let (live, ledger) = (self.live(), &self.app.ledger);
        let seen = self.memory.see(&live, ledger, &caller.name).await;
        seen.map_err(|problem| problem.named_to(caller))
    }

    /// The rules as they were a moment ago.
    async fn recall(&self, caller: &Caller) -> Answer<Seen> {
        let (live, ledger) = (self.live(), &self.app.ledger);
        let seen = self.memory.recall(&live, ledger, &caller.name).await;
        seen.map_err(|problem| problem.named_to(caller))
    }

    /// Which workspaces an organization has, if the caller is bound to one. Nobody else waits for that:
    /// a delete can be stopped, and a rule mended, where rules or directory cannot be read.
    async fn directory_for(&self, caller: &Caller) -> Answer<Option<Seen>> {
        if caller.needs_directory() {
            return Ok(Some(self.recall(caller).await?));
        }
        Ok(None)
    }

    /// Makes a change of the ledger. It comes to its end also where the client goes away or the time is
    /// up, so that no copy from before it is used once it has happened.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        caller: &Caller,
        changing: impl Future<Output = Result<T, LedgerError>> + Send + 'static,
    ) -> Answer<T> {
        let (shared, token) = (Arc::clone(self), Arc::clone(&caller.name));
        let change = tokio::spawn(async move {
            let changed = changing.await;
            shared.memory.changed(&token);
            changed
        });
        Ok(change.await.map_err(|error| Problem::internal(&error))??)
    }
}

/// The description of the API, as `/openapi.json` shows it.
#[must_use]
pub fn description() -> OpenApi {
    let health = health_routes().merge(metrics_route());
    describe::complete(v1().merge(health).into_openapi())
}

/// All routes. `/metrics` is among them unless `api.metrics_listen` is set.
pub fn router(app: App) -> Router {
    let has_own_metrics = app.live.borrow().config.api.metrics_listen.is_some();
    let description = description();
    let shared = Shared::new(app, &description);
    let (v1, _) = v1().split_for_parts();
    let v1 = v1
        .layer(from_fn_with_state(
            Arc::clone(&shared),
            access::authenticate,
        ))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::limit));
    let (health, _) = if has_own_metrics {
        health_routes().split_for_parts()
    } else {
        health_routes().merge(metrics_route()).split_for_parts()
    };
    let page = SwaggerUi::new("/docs").url("/openapi.json", description);
    finish(v1.merge(health).merge(page), shared)
}

/// Health and metrics alone.
fn metrics_router(app: App) -> Router {
    let description = description();
    let shared = Shared::new(app, &description);
    let (routes, _) = health_routes().merge(metrics_route()).split_for_parts();
    finish(routes, shared)
}

fn finish(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    routes
        .fallback(|| async { Problem::not_found("such path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(from_fn_with_state(Arc::clone(&shared), limits::finish))
        .with_state(shared)
}

fn v1() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(rules::create, rules::list::list))
        .routes(routes!(rules::preview::preview))
        .routes(routes!(rules::get, rules::deactivate))
        .routes(routes!(policies::find))
        .routes(routes!(policies::get))
        .routes(routes!(plans::make, plans::list))
        .routes(routes!(plans::get))
        .routes(routes!(plans::approve))
        .routes(routes!(cycles::list))
        .routes(routes!(cycles::get))
        .routes(routes!(cycles::steps))
        .routes(routes!(holds::place, holds::list))
        .routes(routes!(holds::get, holds::release))
        .routes(routes!(pauses::begin, pauses::list))
        .routes(routes!(pauses::get, pauses::end))
        .routes(routes!(status::get))
        .routes(routes!(audit::list))
}

fn health_routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

fn metrics_route() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default().routes(routes!(health::metrics))
}
