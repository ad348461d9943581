//! What went wrong, as RFC 9457 says it: `application/problem+json`.
//!
//! Invariant: no text of a database, a driver or a secret gets into a problem. What is not the
//! client's doing goes to the log, and the client is told whom to ask.

mod error;
mod kind;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;

/// The media type of every problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Servers that are away are rarely back within less.
const RETRY_AFTER_S: u64 = 5;

/// What a handler answers.
pub(super) type Answer<T> = Result<T, Problem>;

/// A request that was not answered as it was meant.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<ProblemDocument>);

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// What kind of problem, as a URN that never changes.
    #[serde(rename = "type")]
    kind: String,
    /// The kind, for people.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, and what to do about it.
    detail: String,
    /// The fields that are wrong, if it is about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// What has changed since the plan was made, if it is about a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    changes: Vec<String>,
    /// The guards that forbid the plan, if it is about a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    refusals: Vec<String>,
    /// The rules that make no sense, if it is about rules; left out for a token that is bound to
    /// somebody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    rules: Vec<String>,
    /// The same, until it is known who asks.
    #[serde(skip)]
    unnamed_rules: Vec<String>,
    /// When it may be tried again, for the header.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// A field that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Where it is.
    #[serde(rename = "in")]
    pub(super) place: Place,
    /// The field, such as `retention`; `.` for the whole.
    pub(super) field: String,
    /// What is wrong, and what would be right.
    pub(super) detail: String,
}

/// Where a field is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// In the body.
    Body,
    /// After the question mark.
    Query,
    /// In the path.
    Path,
    /// In a header.
    Header,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemDocument {
            kind: format!("urn:ebbtide:problem:{kind}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            changes: Vec::new(),
            refusals: Vec::new(),
            rules: Vec::new(),
            unnamed_rules: Vec::new(),
            retry_after_s: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S),
        }))
    }

    /// Names the rules that it is about to whoever may see all of them.
    pub(super) fn named_to(mut self, caller: &Caller) -> Self {
        if !caller.is_bound() {
            self.0.rules = std::mem::take(&mut self.0.unnamed_rules);
        }
        self
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status(), self.0.retry_after_s);
        let mut response = (status, Json(&*self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"ebbtide\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
