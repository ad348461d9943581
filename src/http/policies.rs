//! `/v1/policies`: what holds for a workspace or project, and why a row is still there.

mod document;
mod explain;
mod row;
mod summary;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use self::document::Policy;
use self::explain::explain;
use super::Shared;
use super::access::Caller;
use super::input::{Query, Segment};
use super::problem::{Answer, Place, Problem};
use crate::cutoff::time_of_id;

/// What is asked about a workspace.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyQuery {
    /// One of its projects.
    project: Option<String>,
    /// The age of a row: an instant, a day, or its `UUIDv7`.
    row_time: Option<String>,
}

/// What is asked about a workspace whose name does not fit into a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyPolicyQuery {
    /// The workspace.
    workspace: String,
    /// One of its projects.
    project: Option<String>,
    /// The age of a row: an instant, a day, or its `UUIDv7`.
    row_time: Option<String>,
}

/// What holds for a workspace, and why. The name is percent-encoded; one that is empty, `.` or `..`
/// does not fit into a path: ask `/v1/policies?workspace=`.
#[utoipa::path(
    get, path = "/v1/policies/{workspace}", tag = "policies", operation_id = "getPolicy",
    params(("workspace" = String, Path, description = "The workspace"), PolicyQuery),
    responses((status = 200, description = "What holds", body = Policy)),
    security(("token" = ["viewer"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(workspace): Segment<String>,
    Query(query): Query<PolicyQuery>,
) -> Answer<Json<Policy>> {
    let asked = AnyPolicyQuery {
        workspace,
        project: query.project,
        row_time: query.row_time,
    };
    answer(&shared, &caller, asked).await
}

/// What holds for a workspace of any name, and why.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies", operation_id = "findPolicy", params(AnyPolicyQuery),
    responses(
        (status = 200, description = "What holds", body = Policy),
        (status = 404, description = "There is no such workspace that the token may see", body = super::problem::ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("token" = ["viewer"]))
)]
pub(super) async fn find(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(asked): Query<AnyPolicyQuery>,
) -> Answer<Json<Policy>> {
    answer(&shared, &caller, asked).await
}

async fn answer(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: AnyPolicyQuery,
) -> Answer<Json<Policy>> {
    let row_time = asked.row_time.as_deref().map(row_time).transpose()?;
    let seen = shared.see(caller).await?;
    if !caller.owns_workspace(&asked.workspace, Some(seen.directory())) {
        return Err(Problem::not_found("such workspace"));
    }
    Ok(Json(explain(
        &shared.live().config,
        caller,
        &seen,
        asked,
        row_time,
    )))
}

/// Reads the age of a row.
fn row_time(text: &str) -> Answer<Timestamp> {
    let wrong = |detail: &str| Problem::invalid(Place::Query, "row_time", detail);
    if let Ok(id) = uuid::Uuid::try_parse(text) {
        return time_of_id(id).ok_or_else(|| {
            wrong("this is no UUIDv7, so it has no age: such a row is never deleted by its id")
        });
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
        && let Ok(start) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(start.timestamp());
    }
    let no_instant = "write 2026-11-21, 2026-11-21T10:00:00Z, or a UUIDv7";
    text.parse().map_err(|_| wrong(no_instant))
}
