//! What went wrong, as RFC 9457 says it: `application/problem+json`.
//!
//! Invariant: no text of a database, a driver or a secret gets into a problem. What is not the
//! client's doing goes to the log, and the client is told whom to ask.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use crate::engine::EngineError;
use crate::ledger::LedgerError;
use crate::plan::Refusal;

/// The media type of every problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Servers that are away are rarely back within less.
const RETRY_AFTER_S: u64 = 5;

/// Rules that a problem names at most.
const MOST_RULES: usize = 100;

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

    /// 400: not even readable.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request cannot be read",
            detail,
        )
    }

    /// 401: no token, or none that is known.
    pub(super) fn unauthenticated(detail: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "A token is needed",
            detail,
        )
    }

    /// 403: the token is known, and may not do this.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "The token may not do this",
            detail,
        )
    }

    /// 404: there is no such thing, or none that this token may know of.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        let detail = format!("there is no {what}, or none that this token may see");
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    /// 405: the path exists, and knows other methods.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This path does not know the method",
            "the header Allow names the methods that this path knows",
        )
    }

    /// 408: it took too long.
    pub(super) fn timeout(limit: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The request took too long",
            format!(
                "it took more than {limit:?}; what it was to change may have been changed: look, or \
                 send it again under the same Idempotency-Key"
            ),
        )
    }

    /// 409: the world changed since the plan was made.
    pub(super) fn stale(changes: Vec<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::CONFLICT,
            "stale-plan",
            "The world changed since the plan was made",
            "make a new plan, and look at it again",
        );
        problem.0.changes = changes;
        problem
    }

    /// 409: a guard forbids the plan, whoever approves it.
    pub(super) fn refused(refusals: &[Refusal]) -> Self {
        let mut problem = Self::new(
            StatusCode::CONFLICT,
            "refused-plan",
            "A guard forbids the plan",
            "nothing was approved; do what refusals say, and make a new plan",
        );
        problem.0.refusals = refusals.iter().map(ToString::to_string).collect();
        problem
    }

    /// 412: somebody was faster.
    pub(super) fn precondition_failed(etag: &str) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "It is not what If-Match says any more",
            format!("its ETag is {etag} now; get it again, and decide again"),
        )
    }

    /// 413: the body is too large.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("a body may have {limit} bytes (api.body_limit)"),
        )
    }

    /// 415: not JSON.
    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "The body is not JSON",
            "send JSON, with the header Content-Type: application/json",
        )
    }

    /// 422: readable, and one field makes no sense.
    pub(super) fn invalid(place: Place, field: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError {
            place,
            field: field.to_owned(),
            detail: detail.into(),
        }])
    }

    /// 422: readable, and these fields make no sense.
    pub(super) fn fields(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Some of it makes no sense",
            "correct the fields that are named in errors",
        );
        problem.0.errors = errors;
        problem
    }

    /// 422: the plan that was asked for is too large to be kept.
    pub(super) fn plan_too_large(n_bytes: usize, largest: usize) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "plan-too-large",
            "The plan is too large to be kept",
            format!(
                "it has {n_bytes} bytes, and {largest} at most are kept; whoever operates the sidecar \
                 can review it with `ebbtide plan --out plan.json` and `ebbtide apply plan.json`"
            ),
        )
    }

    /// 429: the token asks for changes too often.
    pub(super) fn too_often(per_minute: NonZeroU32, wait: Duration) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-often",
            "The token asks too often",
            format!(
                "a token may ask for {per_minute} changes a minute (api.requests_per_minute), and a \
                 tenth of that at once; wait as long as Retry-After says"
            ),
        );
        // Whole seconds, and never too few.
        problem.0.retry_after_s = Some(wait.as_secs() + 1);
        problem
    }

    /// 503: it would have to wait for too long.
    pub(super) fn busy(detail: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much at once",
            detail,
        )
    }

    /// 503: a server that is needed cannot be reached.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let title = "A server that this needs is not there";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            title,
            detail,
        )
    }

    /// 503: rules that mean nothing under this configuration.
    fn unusable_rules(mut problems: Vec<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unusable-rules",
            "Rules make no sense under the configuration",
            "nothing is deleted until they are set anew or deactivated, or until the configuration \
             knows their retention again; `/v1/rules/{id}` of each still works",
        );
        problems.truncate(MOST_RULES);
        problem.0.unnamed_rules = problems;
        problem
    }

    /// Names the rules that it is about to whoever may see all of them.
    pub(super) fn named_to(mut self, caller: &Caller) -> Self {
        if !caller.is_bound() {
            self.0.rules = std::mem::take(&mut self.0.unnamed_rules);
        }
        self
    }

    /// 500: our doing, or the operator's. The log says more.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = causes.join(": "), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The request failed",
            "this is not your doing; the log of the sidecar says what happened, and `ebbtide doctor` \
             looks for what is wrong",
        )
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

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unreachable { .. } => {
                tracing::warn!(%error, "a request could not be answered");
                Self::unavailable("the ledger cannot be reached; try again later")
            }
            LedgerError::NotMigrated { .. } | LedgerError::TooNew { .. } => {
                tracing::error!(%error, "a request could not be answered");
                Self::unavailable(
                    "the ledger is of another version than the sidecar; whoever operates it must \
                     migrate the one or upgrade the other",
                )
            }
            LedgerError::Busy { .. } => Self::busy("others are changing the ledger; try again"),
            LedgerError::RequestKeyReused => Self::invalid(
                Place::Header,
                "Idempotency-Key",
                "this key was used for another request; use a new key for each request",
            ),
            LedgerError::Instant { at } => Self::invalid(
                Place::Body,
                ".",
                format!("{at} is outside of 1970 to 9999 and cannot be kept"),
            ),
            error => Self::internal(&error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Ledger(error) => error.into(),
            EngineError::Stale { changes } => Self::stale(changes),
            EngineError::Refused { refusals } => Self::refused(&refusals),
            EngineError::Rules { problems } => {
                tracing::error!(rules = problems.join("; "), "rules cannot be used");
                Self::unusable_rules(problems)
            }
            EngineError::Unsettled { .. } => {
                Self::busy("rules keep changing while they are read; try again")
            }
            error if error.is_unreachable() => {
                tracing::warn!(%error, "a request could not be answered");
                Self::unavailable("a server that this needs cannot be reached; try again later")
            }
            error => Self::internal(&error),
        }
    }
}
