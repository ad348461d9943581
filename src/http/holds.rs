//! `/v1/holds`: what must not be deleted, whatever the rules say.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::access::Caller;
use super::input::{Body, Query, Segment, must_match};
use super::memory::Seen;
use super::page::{self, Page};
use super::patience::promptly;
use super::problem::{Answer, Place, Problem};
use super::scoped::ScopedQuery;
use super::wire;
use crate::guard::HoldRange;
use crate::ledger::{Deactivation, HoldRecord, NewHold};

/// A hold to be placed: on an organization, a workspace, or a project of a workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldRequest {
    /// The organization.
    #[schema(max_length = 1_024)]
    organization: Option<String>,
    /// The workspace.
    #[schema(max_length = 1_024)]
    workspace: Option<String>,
    /// A project of the workspace.
    #[schema(max_length = 1_024)]
    project: Option<String>,
    /// Only rows from this instant on.
    from: Option<Timestamp>,
    /// Only rows before this instant.
    until: Option<Timestamp>,
    /// Why, for whoever meets it later.
    #[schema(min_length = 1, max_length = 4_096)]
    reason: String,
    /// Who answers for it; the token if it is missing.
    #[schema(max_length = 4_096)]
    owner: Option<String>,
}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hold {
    /// Its number.
    id: u64,
    /// The organization whose rows stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Arc<str>>,
    /// The workspace whose rows stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Arc<str>>,
    /// The project whose rows stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    /// Only rows from this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Only rows before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Why.
    reason: String,
    /// Who answers for it.
    owner: String,
    /// When it was placed.
    created_at: Timestamp,
    /// Who placed it.
    created_by: String,
    /// Whether it is in force.
    is_in_force: bool,
    /// When it was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_at: Option<Timestamp>,
    /// Who released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_by: Option<String>,
}

impl From<HoldRecord> for Hold {
    fn from(record: HoldRecord) -> Self {
        let (organization, workspace, project) = wire::names(&record.hold.scope);
        let is_in_force = record.released.is_none();
        let (released_at, released_by) = record.released.unzip();
        Self {
            id: record.id,
            organization,
            workspace,
            project,
            from: record.hold.range.from,
            until: record.hold.range.until,
            reason: record.hold.reason,
            owner: record.hold.owner,
            created_at: record.hold.created_at,
            created_by: record.created_by,
            is_in_force,
            released_at,
            released_by,
        }
    }
}

fn etag(record: &HoldRecord) -> String {
    let state = if record.released.is_none() {
        "in-force"
    } else {
        "released"
    };
    format!("\"hold-{}-{state}\"", record.id)
}

fn with_etag(record: HoldRecord) -> Response {
    ([(header::ETAG, etag(&record))], Json(Hold::from(record))).into_response()
}

/// Place a hold. It is in force at once, also for a plan that is being executed.
#[utoipa::path(
    post, path = "/v1/holds", tag = "holds", operation_id = "placeHold", request_body = HoldRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key acts once", max_length = 255)),
    responses((status = 201, description = "It is in force", body = Hold,
        headers(("Location" = String, description = "The hold"), ("ETag" = String, description = "For If-Match")))),
    security(("token" = ["operator"]))
)]
pub(super) async fn place(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Body<HoldRequest>,
) -> Answer<Response> {
    let asked = &body.value;
    let scope = wire::scope(
        Place::Body,
        asked.organization.as_deref(),
        asked.workspace.as_deref(),
        asked.project.as_deref(),
    )?;
    let seen = shared.directory_for(&caller).await?;
    caller.must_own(&scope, seen.as_ref().map(Seen::directory))?;
    wire::said("reason", &asked.reason)?;
    let owner = asked.owner.as_deref().unwrap_or(&caller.name);
    wire::short(Place::Body, "owner", owner, wire::LONGEST_TEXT)?;
    if asked
        .from
        .zip(asked.until)
        .is_some_and(|(from, until)| from >= until)
    {
        let detail = "it lies not after from: the hold would keep no row";
        return Err(Problem::invalid(Place::Body, "until", detail));
    }
    shared.columns.check(&shared.live(), &scope).await?;
    let hold = NewHold {
        scope,
        range: HoldRange {
            from: asked.from,
            until: asked.until,
        },
        reason: asked.reason.clone(),
        owner: owner.to_owned(),
        created_at: promptly(shared.app.ledger.now()).await?,
    };
    let (ledger, by) = (Arc::clone(&shared.app.ledger), caller.clone());
    let placing = async move { ledger.place_hold(&hold, body.author(&by)).await };
    let id = shared.change(&caller, placing).await?.id;
    let record = find(&shared, id)
        .await?
        .ok_or_else(|| Problem::not_found("such hold"))?;
    let location = [(header::LOCATION, format!("/v1/holds/{id}"))];
    Ok((StatusCode::CREATED, location, with_etag(record)).into_response())
}

/// Holds, ordered by number.
#[utoipa::path(
    get, path = "/v1/holds", tag = "holds", operation_id = "listHolds", params(ScopedQuery),
    responses((status = 200, description = "A page of holds", body = Page<Hold>)),
    security(("token" = ["viewer"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<ScopedQuery>,
) -> Answer<Json<Page<Hold>>> {
    let limit = query.limit()?;
    let after = query.after("holds")?;
    let filter = query.filter()?;
    let seen = shared.directory_for(&caller).await?;
    let directory = seen.as_ref().map(Seen::directory);
    let at_most = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let found = promptly(shared.app.ledger.holds(query.history)).await?;
    let holds = found
        .into_iter()
        .filter(|record| record.id > after && caller.owns(&record.hold.scope, directory))
        .filter(|record| {
            filter
                .as_ref()
                .is_none_or(|filter| wire::is_within(&record.hold.scope, filter))
        })
        .take(at_most)
        .map(Hold::from)
        .collect();
    Ok(page::cut("holds", holds, limit, |hold: &Hold| {
        hold.id.to_string()
    }))
}

/// One hold.
#[utoipa::path(
    get, path = "/v1/holds/{id}", tag = "holds", operation_id = "getHold",
    params(("id" = u64, Path, description = "The hold")),
    responses((status = 200, description = "The hold", body = Hold,
        headers(("ETag" = String, description = "For If-Match")))),
    security(("token" = ["viewer"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<u64>,
) -> Answer<Response> {
    Ok(with_etag(own(&shared, &caller, id).await?))
}

/// Release a hold. Its rows may be deleted from then on.
#[utoipa::path(
    delete, path = "/v1/holds/{id}", tag = "holds", operation_id = "releaseHold",
    params(("id" = u64, Path, description = "The hold"), ("If-Match" = Option<String>, Header, description = "Its ETag")),
    responses((status = 204, description = "It is released, now or before")),
    security(("token" = ["admin"]))
)]
pub(super) async fn release(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<u64>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let record = own(&shared, &caller, id).await?;
    must_match(&headers, &etag(&record))?;
    let now = promptly(shared.app.ledger.now()).await?;
    let (ledger, by) = (Arc::clone(&shared.app.ledger), Arc::clone(&caller.name));
    let releasing = async move { ledger.release_hold(id, &by, now).await };
    match shared.change(&caller, releasing).await? {
        Deactivation::NotFound => Err(Problem::not_found("such hold")),
        Deactivation::Done | Deactivation::AlreadyInactive => {
            shared.app.wake.notify_one();
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

async fn own(shared: &Arc<Shared>, caller: &Caller, id: u64) -> Answer<HoldRecord> {
    let seen = shared.directory_for(caller).await?;
    find(shared, id)
        .await?
        .filter(|record| caller.owns(&record.hold.scope, seen.as_ref().map(Seen::directory)))
        .ok_or_else(|| Problem::not_found("such hold"))
}

async fn find(shared: &Shared, id: u64) -> Answer<Option<HoldRecord>> {
    let holds = promptly(shared.app.ledger.holds(true)).await?;
    Ok(holds.into_iter().find(|record| record.id == id))
}
