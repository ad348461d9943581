//! `/v1/pauses`: what is not deleted from for the time being.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::Caller;
use super::input::{Body, Query, Segment, must_match};
use super::memory::Seen;
use super::page::{self, Page};
use super::patience::promptly;
use super::problem::{Answer, Place, Problem};
use super::wire;
use crate::guard::PauseScope;
use crate::ledger::{Deactivation, NewPause, PauseRecord};

/// A pause to begin: of everything, of one target, or of one workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseRequest {
    /// Everything.
    #[serde(default)]
    everything: bool,
    /// The table of a target.
    target: Option<String>,
    /// A workspace.
    #[schema(max_length = 1_024)]
    workspace: Option<String>,
    /// Why.
    #[schema(min_length = 1, max_length = 4_096)]
    reason: String,
}

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pause {
    /// Its number.
    id: u64,
    /// What it stops.
    kind: PauseKind,
    /// The table of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Arc<str>>,
    /// The workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Arc<str>>,
    /// Why.
    reason: String,
    /// When it began.
    created_at: Timestamp,
    /// Who began it.
    created_by: String,
    /// Whether it is in force.
    is_in_force: bool,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
}

/// What a pause stops.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PauseKind {
    /// Everything.
    Everything,
    /// One target.
    Target,
    /// One workspace.
    Workspace,
}

impl From<PauseRecord> for Pause {
    fn from(record: PauseRecord) -> Self {
        let (kind, target, workspace) = match record.pause.scope {
            PauseScope::Everything => (PauseKind::Everything, None, None),
            PauseScope::Target(name) => (PauseKind::Target, Some(name), None),
            PauseScope::Workspace(name) => (PauseKind::Workspace, None, Some(name)),
        };
        let is_in_force = record.ended.is_none();
        let (ended_at, ended_by) = record.ended.unzip();
        Self {
            id: record.id,
            kind,
            target,
            workspace,
            reason: record.pause.reason,
            created_at: record.pause.created_at,
            created_by: record.created_by,
            is_in_force,
            ended_at,
            ended_by,
        }
    }
}

fn etag(record: &PauseRecord) -> String {
    let state = if record.ended.is_none() {
        "in-force"
    } else {
        "ended"
    };
    format!("\"pause-{}-{state}\"", record.id)
}

fn with_etag(record: PauseRecord) -> Response {
    ([(header::ETAG, etag(&record))], Json(Pause::from(record))).into_response()
}

/// Which pauses, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseQuery {
    /// Ended ones too.
    #[serde(default)]
    history: bool,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Pause. The statement that runs ends; nothing more of this scope is sent.
#[utoipa::path(
    post, path = "/v1/pauses", tag = "pauses", operation_id = "pause", request_body = PauseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key acts once", max_length = 255)),
    responses((status = 201, description = "It is paused, now or before", body = Pause,
        headers(("Location" = String, description = "The pause"), ("ETag" = String, description = "For If-Match")))),
    security(("token" = ["operator"]))
)]
pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Body<PauseRequest>,
) -> Answer<Response> {
    let scope = scope(&shared, &body.value)?;
    let seen = shared.directory_for(&caller).await?;
    if !caller.owns_pause(&scope, seen.as_ref().map(Seen::directory)) {
        return Err(Problem::forbidden(
            "the token is bound, and this is not its own",
        ));
    }
    wire::said("reason", &body.value.reason)?;
    if let PauseScope::Workspace(name) = &scope {
        shared.columns.check_workspace(&shared.live(), name).await?;
    }
    let pause = NewPause {
        scope,
        reason: body.value.reason.clone(),
        created_at: promptly(shared.app.ledger.now()).await?,
    };
    let (ledger, by) = (Arc::clone(&shared.app.ledger), caller.clone());
    let pausing = async move { ledger.pause(&pause, body.author(&by)).await };
    let id = shared.change(&caller, pausing).await?.id;
    let record = find(&shared, id)
        .await?
        .ok_or_else(|| Problem::not_found("such pause"))?;
    let location = [(header::LOCATION, format!("/v1/pauses/{id}"))];
    Ok((StatusCode::CREATED, location, with_etag(record)).into_response())
}

fn scope(shared: &Shared, asked: &PauseRequest) -> Answer<PauseScope> {
    match (asked.everything, &asked.target, &asked.workspace) {
        (true, None, None) => Ok(PauseScope::Everything),
        (false, None, Some(name)) => {
            wire::short(Place::Body, "workspace", name, wire::LONGEST_NAME)?;
            Ok(PauseScope::Workspace(name.as_str().into()))
        }
        (false, Some(name), None) => {
            let live = shared.app.live.borrow();
            let targets = &live.config.targets;
            if targets.iter().any(|target| target.table == *name) {
                return Ok(PauseScope::Target(name.as_str().into()));
            }
            let tables: Vec<&str> = targets.iter().map(|target| target.table.as_str()).collect();
            let detail = format!(
                "there is no such target; the targets are: {}",
                tables.join(", ")
            );
            Err(Problem::invalid(Place::Body, "target", detail))
        }
        _ => {
            let detail = "write one of: \"everything\": true, or a target, or a workspace";
            Err(Problem::invalid(Place::Body, ".", detail))
        }
    }
}

/// Pauses, ordered by number.
#[utoipa::path(
    get, path = "/v1/pauses", tag = "pauses", operation_id = "listPauses", params(PauseQuery),
    responses((status = 200, description = "A page of pauses", body = Page<Pause>)),
    security(("token" = ["viewer"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<PauseQuery>,
) -> Answer<Json<Page<Pause>>> {
    let limit = page::limit(query.limit)?;
    let after: u64 = page::place("pauses", query.cursor.as_deref())?.unwrap_or(0);
    let seen = shared.directory_for(&caller).await?;
    let directory = seen.as_ref().map(Seen::directory);
    let at_most = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let found = promptly(shared.app.ledger.pauses(query.history)).await?;
    let pauses = found
        .into_iter()
        .filter(|record| record.id > after && caller.owns_pause(&record.pause.scope, directory))
        .take(at_most)
        .map(Pause::from)
        .collect();
    Ok(page::cut("pauses", pauses, limit, |pause: &Pause| {
        pause.id.to_string()
    }))
}

/// One pause.
#[utoipa::path(
    get, path = "/v1/pauses/{id}", tag = "pauses", operation_id = "getPause",
    params(("id" = u64, Path, description = "The pause")),
    responses((status = 200, description = "The pause", body = Pause,
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

/// Resume: end a pause.
#[utoipa::path(
    delete, path = "/v1/pauses/{id}", tag = "pauses", operation_id = "resume",
    params(("id" = u64, Path, description = "The pause"), ("If-Match" = Option<String>, Header, description = "Its ETag")),
    responses((status = 204, description = "It has ended, now or before")),
    security(("token" = ["operator"]))
)]
pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<u64>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let record = own(&shared, &caller, id).await?;
    must_match(&headers, &etag(&record))?;
    let now = promptly(shared.app.ledger.now()).await?;
    let (ledger, by) = (Arc::clone(&shared.app.ledger), Arc::clone(&caller.name));
    // A later pause of the same scope is another one, and stays.
    let ending = async move { ledger.end_pause(id, &by, now).await };
    match shared.change(&caller, ending).await? {
        Deactivation::NotFound => Err(Problem::not_found("such pause")),
        Deactivation::Done | Deactivation::AlreadyInactive => {
            shared.app.wake.notify_one();
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

async fn own(shared: &Arc<Shared>, caller: &Caller, id: u64) -> Answer<PauseRecord> {
    let seen = shared.directory_for(caller).await?;
    let directory = seen.as_ref().map(Seen::directory);
    find(shared, id)
        .await?
        .filter(|record| caller.owns_pause(&record.pause.scope, directory))
        .ok_or_else(|| Problem::not_found("such pause"))
}

async fn find(shared: &Shared, id: u64) -> Answer<Option<PauseRecord>> {
    let pauses = promptly(shared.app.ledger.pauses(true)).await?;
    Ok(pauses.into_iter().find(|record| record.id == id))
}
