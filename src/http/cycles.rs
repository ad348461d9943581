//! `/v1/cycles`: what was done, step by step.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::input::{Query, Segment};
use super::page::{self, Page};
use super::patience::promptly;
use super::problem::{Answer, Problem};
use crate::ledger::{CycleRecord, StepRecord};

/// A cycle.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cycle {
    /// A UUIDv7.
    id: String,
    /// What began it: `slot`, `run`, `apply`, `backfill` or `reclaim`.
    kind: String,
    /// When it began.
    started_at: Timestamp,
    /// When it ended; missing while it runs, or if its process died.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// How it ended, such as `done` or `failed`; missing while it runs, or if its process died.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The instant that its cutoffs are made from.
    as_of: Timestamp,
    /// The revision of the ledger that it was planned from; once it was renewed, the one that it went on under.
    revision: u64,
    /// The digest of the rules of that revision.
    rules_digest: String,
    /// The digest of its plan.
    plan_digest: String,
    /// The slot that it was for, if it was for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<Slot>,
    /// What a backfill was asked for, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    asked: Option<serde_json::Value>,
    /// The instance or person that ran it.
    holder: String,
    /// The fencing token of the lease that it ran under.
    lease_token: u64,
}

/// A slot: a share of the workspaces on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Slot {
    /// The UTC day.
    #[schema(format = Date)]
    day: String,
    /// The first place.
    from: u64,
    /// The place after the last.
    to: u64,
}

impl From<CycleRecord> for Cycle {
    fn from(record: CycleRecord) -> Self {
        let (ended_at, status) = record.end.unzip();
        let start = record.start;
        Self {
            id: start.id,
            kind: start.kind,
            started_at: start.started_at,
            ended_at,
            status,
            as_of: start.as_of,
            revision: start.revision,
            rules_digest: start.rules_digest,
            plan_digest: start.plan_digest,
            slot: start.slot.map(|(day, range)| Slot {
                day,
                from: range.from,
                to: range.to,
            }),
            // Written by this program.
            asked: start
                .asked
                .and_then(|text| serde_json::from_str(&text).ok()),
            holder: start.holder,
            lease_token: start.lease_token,
        }
    }
}

/// A step: one statement on one table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Step {
    /// Its number in the cycle, from 1.
    number: u32,
    /// The shard.
    shard: String,
    /// The table.
    table: String,
    /// How it deletes, such as `lightweight`.
    method: String,
    /// The shape of its predicate, such as `in`.
    shape: String,
    /// The query id of its statement.
    query_id: String,
    /// SHA-256 of its statement.
    statement_digest: String,
    /// Its predicate: names and bounds, never the content of a row.
    predicate: String,
    /// Rules, retentions and cutoffs that it follows.
    #[schema(value_type = Vec<Object>)]
    bounds: serde_json::Value,
    /// Workspaces in it.
    n_workspaces: u64,
    /// Rows that matched before it.
    rows_due: u64,
    /// When it was about to be sent.
    intended_at: Timestamp,
    /// How it ended; missing while it runs, or if its process died.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

/// How a step ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// `verified`, `incomplete`, `failed` or `unknown`.
    verdict: String,
    /// Rows that match after it, if they could be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_left: Option<u64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long the statement took, without the count after it.
    duration_ms: u64,
    /// When.
    finished_at: Timestamp,
}

impl From<StepRecord> for Step {
    fn from(record: StepRecord) -> Self {
        let intent = record.intent;
        Self {
            number: intent.step,
            shard: intent.shard,
            table: intent.table,
            method: intent.method,
            shape: intent.shape,
            query_id: intent.query_id,
            statement_digest: intent.statement_digest,
            predicate: intent.predicate,
            // Written by this program; an older one wrote nothing.
            bounds: serde_json::from_str(&intent.bounds)
                .unwrap_or_else(|_| serde_json::Value::Array(Vec::new())),
            n_workspaces: intent.n_workspaces,
            rows_due: intent.rows_due,
            intended_at: intent.intended_at,
            outcome: record.outcome.map(|outcome| Outcome {
                verdict: outcome.verdict,
                rows_left: outcome.rows_left,
                error: outcome.error,
                duration_ms: outcome.duration_ms,
                finished_at: outcome.finished_at,
            }),
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Cycles, newest first.
#[utoipa::path(
    get, path = "/v1/cycles", tag = "cycles", operation_id = "listCycles", params(PageQuery),
    responses((status = 200, description = "A page of cycles", body = Page<Cycle>)),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<Cycle>>> {
    let limit = page::limit(query.limit)?;
    let before: Option<String> = page::place("cycles", query.cursor.as_deref())?;
    let found = promptly(
        shared
            .app
            .ledger
            .cycles_before(before.as_deref(), limit + 1),
    )
    .await?;
    let cycles = found.into_iter().map(Cycle::from).collect();
    Ok(page::cut("cycles", cycles, limit, |cycle: &Cycle| {
        cycle.id.clone()
    }))
}

/// One cycle.
#[utoipa::path(
    get, path = "/v1/cycles/{id}", tag = "cycles", operation_id = "getCycle",
    params(("id" = String, Path, description = "The cycle")),
    responses((status = 200, description = "The cycle", body = Cycle)),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Segment(id): Segment<String>,
) -> Answer<Json<Cycle>> {
    let found = promptly(shared.app.ledger.cycle(&id)).await?;
    found
        .map(|record| Json(record.into()))
        .ok_or_else(|| Problem::not_found("such cycle"))
}

/// The steps of a cycle, in order.
#[utoipa::path(
    get, path = "/v1/cycles/{id}/steps", tag = "cycles", operation_id = "listSteps",
    params(("id" = String, Path, description = "The cycle"), PageQuery),
    responses((status = 200, description = "A page of steps", body = Page<Step>)),
    security(("token" = ["viewer", "unbound"]))
)]
pub(super) async fn steps(
    State(shared): State<Arc<Shared>>,
    Segment(id): Segment<String>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<Step>>> {
    let limit = page::limit(query.limit)?;
    let after: u32 = page::place("steps", query.cursor.as_deref())?.unwrap_or(0);
    if promptly(shared.app.ledger.cycle(&id)).await?.is_none() {
        return Err(Problem::not_found("such cycle"));
    }
    let at_most = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let found = promptly(shared.app.ledger.steps(&id)).await?;
    let steps: Vec<Step> = found
        .into_iter()
        .filter(|record| record.intent.step > after)
        .take(at_most)
        .map(Step::from)
        .collect();
    Ok(page::cut("steps", steps, limit, |step: &Step| {
        step.number.to_string()
    }))
}
