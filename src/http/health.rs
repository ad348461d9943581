//! Health and metrics: for those who watch the process. No token is needed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::schedule::Phase;

/// Whether the process is of use.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Whether it is.
    is_well: bool,
    /// What it does at present.
    phase: Phase,
    /// Why it is not, if so, in fixed words.
    reasons: Vec<String>,
}

/// Whether the process answers.
#[utoipa::path(
    get, path = "/health/livez", tag = "health", operation_id = "livez",
    responses((status = 200, description = "It does", body = Health))
)]
pub(super) async fn livez(State(shared): State<Arc<Shared>>) -> Json<Health> {
    Json(Health {
        is_well: true,
        phase: shared.app.status.borrow().phase,
        reasons: Vec::new(),
    })
}

/// Whether ledger, schema and at least one shard have been reached.
#[utoipa::path(
    get, path = "/health/readyz", tag = "health", operation_id = "readyz",
    responses(
        (status = 200, description = "They have", body = Health),
        (status = 503, description = "They have not, or the process is about to end", body = Health),
    )
)]
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let phase = shared.app.status.borrow().phase;
    let is_well = !matches!(phase, Phase::Starting | Phase::Stopping);
    let reasons = if is_well {
        Vec::new()
    } else {
        // Who asks has no token: what the servers said is in the log, and in the status.
        let reason = match phase {
            Phase::Stopping => "the process is about to end",
            _ => "the ledger or ClickHouse cannot be reached, or refuses; the log says more",
        };
        vec![reason.to_owned()]
    };
    let code = if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let health = Health {
        is_well,
        phase,
        reasons,
    };
    (code, Json(health)).into_response()
}

/// Metrics, as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "All metrics", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (shared.app.metrics)()).into_response()
}
