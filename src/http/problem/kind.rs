//! The kinds of problems: status, URN, title, and what to do.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;

use super::{FieldError, Place, Problem};
use crate::plan::Refusal;

/// Rules that a problem names at most.
const MOST_RULES: usize = 100;

impl Problem {
    /// 400: not even readable.
    pub(in crate::http) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request cannot be read",
            detail,
        )
    }

    /// 401: no token, or none that is known.
    pub(in crate::http) fn unauthenticated(detail: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "A token is needed",
            detail,
        )
    }

    /// 403: the token is known, and may not do this.
    pub(in crate::http) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "The token may not do this",
            detail,
        )
    }

    /// 404: there is no such thing, or none that this token may know of.
    pub(in crate::http) fn not_found(what: impl std::fmt::Display) -> Self {
        let detail = format!("there is no {what}, or none that this token may see");
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    /// 405: the path exists, and knows other methods.
    pub(in crate::http) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This path does not know the method",
            "the header Allow names the methods that this path knows",
        )
    }

    /// 408: it took too long.
    pub(in crate::http) fn timeout(limit: Duration) -> Self {
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
    pub(in crate::http) fn stale(changes: Vec<String>) -> Self {
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
    pub(in crate::http) fn refused(refusals: &[Refusal]) -> Self {
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
    pub(in crate::http) fn precondition_failed(etag: &str) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "It is not what If-Match says any more",
            format!("its ETag is {etag} now; get it again, and decide again"),
        )
    }

    /// 413: the body is too large.
    pub(in crate::http) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("a body may have {limit} bytes (api.body_limit)"),
        )
    }

    /// 415: not JSON.
    pub(in crate::http) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "The body is not JSON",
            "send JSON, with the header Content-Type: application/json",
        )
    }

    /// 422: readable, and one field makes no sense.
    pub(in crate::http) fn invalid(place: Place, field: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError {
            place,
            field: field.to_owned(),
            detail: detail.into(),
        }])
    }

    /// 422: readable, and these fields make no sense.
    pub(in crate::http) fn fields(errors: Vec<FieldError>) -> Self {
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
    pub(in crate::http) fn plan_too_large(n_bytes: usize, largest: usize) -> Self {
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
    pub(in crate::http) fn too_often(per_minute: NonZeroU32, wait: Duration) -> Self {
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
    pub(in crate::http) fn busy(detail: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much at once",
            detail,
        )
    }

    /// 503: a server that is needed cannot be reached.
    pub(in crate::http) fn unavailable(detail: impl Into<String>) -> Self {
        let title = "A server that this needs is not there";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            title,
            detail,
        )
    }

    /// 503: rules that mean nothing under this configuration.
    pub(super) fn unusable_rules(mut problems: Vec<String>) -> Self {
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

    /// 500: our doing, or the operator's. The log says more.
    pub(in crate::http) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
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
}
