//! `/v1/status`: what the sidecar does, and what holds which table back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Shared;
use crate::schedule::Status;

/// What this instance does, and what holds which table back, since when.
#[utoipa::path(
    get, path = "/v1/status", tag = "status", operation_id = "getStatus",
    responses((status = 200, description = "The status of this instance", body = Status)),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Json<Status> {
    Json(shared.app.status.borrow().clone())
}
