//! `/v1/plans`: what the rules would delete, for somebody to look at and approve.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::Caller;
use super::input::{Body, Query, Segment, must_match};
use super::page::{self, Page};
use super::patience::promptly;
use super::problem::{Answer, Problem};
use crate::engine::{EngineError, PlanRequest};
use crate::ledger::{NewPlan, PlanApproval, PlanRecord, PlanStatus};
use crate::plan::Plan;
use crate::schedule::LARGEST_PLAN;

/// A plan to be made. There is nothing to say yet: send `{}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlanRequest {}

/// A kept plan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeptPlan {
    /// A UUIDv7.
    id: String,
    /// The digest over everything that it does and was made from.
    digest: String,
    /// The revision of the ledger it was made from.
    revision: u64,
    /// Rows that it would delete.
    n_due: u64,
    /// When it was made.
    created_at: Timestamp,
    /// Who had it made.
    created_by: String,
    /// Where it stands.
    status: PlanState,
    /// When it was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
    /// Who approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_by: Option<String>,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlanState {
    /// It waits for an approval.
    Pending,
    /// It was approved and waits to be applied.
    Approved,
    /// It was applied; its cycle says how that went.
    Applied,
    /// The world changed before it was applied.
    Stale,
}

/// A kept plan with everything that it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholePlan {
    /// What the ledger says of it.
    kept: KeptPlan,
    /// The plan: tables, steps, rules, what waits, what is held; as `ebbtide plan --out` writes it. The
    /// `extent` of a table or step says about how many bytes go, and from when the rows are.
    #[schema(value_type = Object)]
    plan: Box<RawValue>,
}

impl From<PlanRecord> for KeptPlan {
    fn from(record: PlanRecord) -> Self {
        let (approved_at, approved_by) = record.approved.unzip();
        Self {
            id: record.id,
            digest: record.digest,
            revision: record.revision,
            n_due: record.n_due,
            created_at: record.created_at,
            created_by: record.created_by,
            status: match record.status {
                PlanStatus::Pending => PlanState::Pending,
                PlanStatus::Approved => PlanState::Approved,
                PlanStatus::Applied => PlanState::Applied,
                PlanStatus::Stale => PlanState::Stale,
            },
            approved_at,
            approved_by,
        }
    }
}

fn etag(record: &PlanRecord) -> String {
    format!("\"{}-{}\"", record.id, record.status.as_str())
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanQuery {
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Make a plan of everything that the rules as they are would delete, and keep it for review. Reads
/// only; may take minutes where tables are large.
#[utoipa::path(
    post, path = "/v1/plans", tag = "plans", operation_id = "makePlan", request_body = NewPlanRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key acts once", max_length = 255)),
    responses((status = 201, description = "It is kept", body = KeptPlan,
        headers(("Location" = String, description = "The plan"), ("ETag" = String, description = "For If-Match")))),
    security(("token" = ["operator", "unbound"]))
)]
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Body<NewPlanRequest>,
) -> Answer<Response> {
    let NewPlanRequest {} = body.value;
    // One of a token at a time: so the same request, sent twice, makes one plan.
    let _probe = shared.probes.begin(&caller.name)?;
    if let Some(request) = &body.key
        && let Some(id) = promptly(shared.app.ledger.kept_by(request)).await?
    {
        return created(&shared, &id).await;
    }
    let created_at = promptly(shared.app.ledger.now()).await?;
    let live = shared.live();
    let planned = live.engine.plan(&PlanRequest::proposed()).await;
    let plan = planned.map_err(|error| Problem::from(error).named_to(&caller))?;
    let text = serde_json::to_string(&plan).map_err(|error| Problem::internal(&error))?;
    if text.len() > LARGEST_PLAN {
        return Err(Problem::plan_too_large(text.len(), LARGEST_PLAN));
    }
    let kept = NewPlan {
        id: crate::clock::unique_id(),
        digest: plan.digest.clone(),
        revision: plan.revision,
        n_due: plan.n_due(),
        body: text,
        created_at,
    };
    let id = shared
        .app
        .ledger
        .keep_plan(&kept, body.author(&caller))
        .await?;
    created(&shared, &id).await
}

async fn created(shared: &Shared, id: &str) -> Answer<Response> {
    let record = find(shared, id).await?.0;
    let headers = [
        (header::LOCATION, format!("/v1/plans/{id}")),
        (header::ETAG, etag(&record)),
    ];
    Ok((StatusCode::CREATED, headers, Json(KeptPlan::from(record))).into_response())
}

/// Kept plans, newest first.
#[utoipa::path(
    get, path = "/v1/plans", tag = "plans", operation_id = "listPlans", params(PlanQuery),
    responses((status = 200, description = "A page of plans", body = Page<KeptPlan>)),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<PlanQuery>,
) -> Answer<Json<Page<KeptPlan>>> {
    let limit = page::limit(query.limit)?;
    let before: Option<String> = page::place("plans", query.cursor.as_deref())?;
    let found = promptly(shared.app.ledger.plans_before(before.as_deref(), limit + 1)).await?;
    let plans = found.into_iter().map(KeptPlan::from).collect();
    Ok(page::cut("plans", plans, limit, |plan: &KeptPlan| {
        plan.id.clone()
    }))
}

/// One kept plan, whole.
#[utoipa::path(
    get, path = "/v1/plans/{id}", tag = "plans", operation_id = "getPlan",
    params(("id" = String, Path, description = "The plan")),
    responses((status = 200, description = "The plan", body = WholePlan,
        headers(("ETag" = String, description = "For If-Match")))),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Segment(id): Segment<String>,
) -> Answer<Response> {
    let (record, body) = find(&shared, &id).await?;
    let etag = [(header::ETAG, etag(&record))];
    let plan = RawValue::from_string(body).map_err(|error| Problem::internal(&error))?;
    let whole = WholePlan {
        kept: record.into(),
        plan,
    };
    Ok((etag, Json(whole)).into_response())
}

/// Approve a plan. The sidecar then applies exactly this plan, and deletes what these rules say from
/// then on.
#[utoipa::path(
    post, path = "/v1/plans/{id}/approve", tag = "plans", operation_id = "approvePlan",
    params(("id" = String, Path, description = "The plan"), ("If-Match" = Option<String>, Header, description = "Its ETag")),
    responses(
        (status = 200, description = "It is approved, now or before", body = KeptPlan,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 409, description = "The world changed since it was made, and changes says what; or guards forbid it, and refusals says which", body = super::problem::ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin", "unbound"]))
)]
pub(super) async fn approve(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (record, body) = find(&shared, &id).await?;
    must_match(&headers, &etag(&record))?;
    if matches!(record.status, PlanStatus::Pending | PlanStatus::Stale) {
        review(&shared, &id, &body).await?;
    }
    let now = promptly(shared.app.ledger.now()).await?;
    let (ledger, by) = (Arc::clone(&shared.app.ledger), Arc::clone(&caller.name));
    let plan = id.clone();
    let approving = async move { ledger.approve_plan(&plan, &by, now).await };
    match shared.change(&caller, approving).await? {
        PlanApproval::Done | PlanApproval::Already => {}
        PlanApproval::Stale { revision } => {
            return Err(Problem::stale(vec![format!(
                "the ledger is at revision {revision}, and the plan was made from {}",
                record.revision
            )]));
        }
        PlanApproval::NotFound => return Err(Problem::not_found("such plan")),
    }
    shared.app.wake.notify_one();
    let (record, _) = find(&shared, &id).await?;
    Ok((
        [(header::ETAG, etag(&record))],
        Json(KeptPlan::from(record)),
    )
        .into_response())
}

/// Refuses a plan that is not of this world any more, and says what changed.
async fn review(shared: &Shared, id: &str, body: &str) -> Answer<()> {
    let changes = match serde_json::from_str::<Plan>(body) {
        Ok(plan) => match shared.live().engine.reviewed(&plan).await {
            Ok(()) => return Ok(()),
            Err(EngineError::Stale { changes }) => changes,
            Err(error) => return Err(error.into()),
        },
        Err(_) => vec!["the version of ebbtide: this one cannot read the plan".to_owned()],
    };
    shared.app.ledger.mark_plan(id, PlanStatus::Stale).await?;
    Err(Problem::stale(changes))
}

async fn find(shared: &Shared, id: &str) -> Answer<(PlanRecord, String)> {
    let found = promptly(shared.app.ledger.kept_plan(id)).await?;
    found.ok_or_else(|| Problem::not_found("such plan"))
}
