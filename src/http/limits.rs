//! Limits: how much at once, how long, how large; and the headers that every answer has.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Answer, Problem};
use super::{Answered, Shared};

/// Requests under `/v1` at once; the next one is told to come again.
pub(super) const MOST_REQUESTS: usize = 256;
/// Requests at once that probe ClickHouse.
pub(super) const MOST_PROBES: usize = 2;

/// Routes that probe ClickHouse: they have more time.
const PROBING: [&str; 2] = ["/v1/plans", "/v1/rules/preview"];

const NO_SCRIPTS: &str = "default-src 'none'; frame-ancestors 'none'";
/// The page of the description brings its own scripts and styles.
const OWN_SCRIPTS: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; frame-ancestors 'none'";

/// The tokens whose requests probe ClickHouse at present.
#[derive(Default)]
pub(super) struct Probes(Mutex<Vec<Arc<str>>>);

/// Leave to probe ClickHouse, until it is dropped.
pub(super) struct Probe<'a> {
    probes: &'a Probes,
    token: Arc<str>,
}

impl Probes {
    /// Lets few requests in at once, and one of each token. To be asked once the body has been read:
    /// whoever sends none must not keep others away.
    pub(super) fn begin(&self, token: &Arc<str>) -> Answer<Probe<'_>> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.contains(token) {
            let detail = "the token is looking at ClickHouse already; try again when that is done";
            return Err(Problem::busy(detail));
        }
        if tokens.len() == MOST_PROBES {
            let detail = "others are looking at ClickHouse already; try again when they are done";
            return Err(Problem::busy(detail));
        }
        tokens.push(Arc::clone(token));
        Ok(Probe {
            probes: self,
            token: Arc::clone(token),
        })
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let mut tokens = self.probes.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|token| *token != self.token);
    }
}

/// Lets so many requests in at once, and none for longer than is configured.
pub(super) async fn limit(
    State(shared): State<Arc<Shared>>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_probing = request.method() == Method::POST
        && path.is_some_and(|path| PROBING.contains(&path.as_str()));
    let Ok(_one_of_many) = shared.requests.try_acquire() else {
        return Problem::busy("too many requests at once; try again").into_response();
    };
    let time = {
        let api = &shared.app.live.borrow().config.api;
        DefaultBodyLimit::max(api.body_limit).apply(&mut request);
        if is_probing {
            api.plan_timeout
        } else {
            api.timeout
        }
    };
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timeout(time).into_response(),
    }
}

/// Tells the observer of each request, and adds the headers that every answer has.
pub(super) async fn finish(
    State(shared): State<Arc<Shared>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let began_at = Instant::now();
    let method = known(request.method());
    let is_page = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    if let Some(problem) = bare(&response) {
        response = problem.into_response();
    }
    let headers = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            if is_page { OWN_SCRIPTS } else { NO_SCRIPTS },
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (shared.app.observer)(&Answered {
        route: path.as_ref().map_or("none", MatchedPath::as_str),
        method,
        status: response.status().as_u16(),
        duration: began_at.elapsed(),
    });
    response
}

/// The problem for an error that comes with no words of ours: a file of the page that is not there.
fn bare(response: &Response) -> Option<Problem> {
    let has_words = response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() {
        StatusCode::NOT_FOUND if !has_words => Some(Problem::not_found("such path")),
        status if status.is_server_error() && !has_words => {
            let error = std::io::Error::other(format!("answered {status} without a word"));
            Some(Problem::internal(&error))
        }
        _ => None,
    }
}

/// A method that a client made up must not become the label of a metric.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// What a panic becomes: its text stays in the log.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the payload over"
)]
pub(super) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    Problem::internal(&std::io::Error::other(format!("panicked: {text}"))).into_response()
}
