//! The API: HTTP with JSON under `/v1`, described by `/openapi.json`.
//!
//! Invariant: what a route needs (a role, a token bound to nobody) stands in its description, and the
//! router asks the description. A route without one cannot be reached.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;
use crate::ledger::Ledger;
use crate::schedule::{Live, Status};

/// What the API works with. The loop of the sidecar owns the other ends.
#[derive(Clone)]
pub struct App {
    /// The configuration and the engine made from it; replaced as a whole by a reload.
    pub live: watch::Receiver<Arc<Live>>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// What the sidecar does at present.
    pub status: watch::Receiver<Status>,
    /// Wakes the loop: after an approval, a resume, a change of rules.
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

/// All routes. `/metrics` is among them unless `api.metrics_listen` is set.
pub fn router(app: App) -> Router {
    let _ = app;
    Router::new()
}

/// Serves the API until `shutdown`, then lets requests at work end for at most ten seconds.
///
/// # Errors
/// The listener or the certificate cannot be used.
pub async fn serve(
    app: App,
    listener: TcpListener,
    tls: Option<&TlsFiles>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let _ = (app, listener, tls, shutdown);
    Ok(())
}

/// Serves `/metrics` and `/health` alone, for `api.metrics_listen`, until `shutdown`.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve_metrics(
    app: App,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let _ = (app, listener, shutdown);
    Ok(())
}
