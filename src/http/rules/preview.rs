//! `/v1/rules/preview`: what a rule would delete, before it is set.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{retention, yes};
use crate::engine::{Expired, RuleChange};
use crate::http::Shared;
use crate::http::access::Caller;
use crate::http::input::Body;
use crate::http::memory::Seen;
use crate::http::problem::{Answer, Place, Problem};
use crate::http::wire;

/// A change of rules to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PreviewRequest {
    /// The organization.
    #[schema(max_length = 1_024)]
    organization: Option<String>,
    /// The workspace.
    #[schema(max_length = 1_024)]
    workspace: Option<String>,
    /// A project of the workspace.
    #[schema(max_length = 1_024)]
    project: Option<String>,
    /// The retention that its rule would get; missing to look at deactivating its rule.
    #[schema(max_length = 1_024)]
    retention: Option<String>,
    /// Whether rows from before now would follow it too.
    #[serde(default = "yes")]
    #[schema(default = true)]
    apply_to_past: bool,
}

/// What a change of rules would delete.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Preview {
    /// The instant that cutoffs are made from.
    as_of: Timestamp,
    /// Per shard and table, those that the change touches.
    tables: Vec<PreviewTable>,
    /// What could not be looked at, and why.
    unprobed: Vec<Unprobed>,
}

/// A table under the rules as they are, and under the change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PreviewTable {
    /// The shard.
    shard: Arc<str>,
    /// The table.
    table: Arc<str>,
    /// What is expired under the rules as they are.
    before: ExpiredRows,
    /// What would be expired under the change.
    after: ExpiredRows,
    /// Expired rows that would stay because another table refers to them.
    n_kept: u64,
}

/// Expired rows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ExpiredRows {
    /// Rows.
    n_rows: u64,
    /// Their size on disk, an estimate.
    n_bytes: u64,
    /// Parts that hold some of them.
    n_parts: u64,
    /// The time of the oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    /// The time of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Timestamp>,
}

/// What could not be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Unprobed {
    /// The shard.
    shard: Arc<str>,
    /// The table, or nothing for the whole shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Arc<str>>,
    /// Whether the server could not be reached; otherwise the log says why.
    is_unreachable: bool,
}

impl From<Expired> for ExpiredRows {
    fn from(expired: Expired) -> Self {
        Self {
            n_rows: expired.n_rows,
            n_bytes: expired.n_bytes,
            n_parts: expired.n_parts,
            oldest: expired.oldest,
            newest: expired.newest,
        }
    }
}

/// What a rule would delete: rows, bytes, parts, oldest and newest of each table, before and after.
/// Nothing is saved.
#[utoipa::path(
    post, path = "/v1/rules/preview", tag = "rules", operation_id = "previewRule", request_body = PreviewRequest,
    responses((status = 200, description = "What it would delete", body = Preview)),
    security(("token" = ["operator"]))
)]
pub(in crate::http) async fn preview(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Body<PreviewRequest>,
) -> Answer<Json<Preview>> {
    let asked = &body.value;
    let scope = wire::scope(
        Place::Body,
        asked.organization.as_deref(),
        asked.workspace.as_deref(),
        asked.project.as_deref(),
    )?;
    let seen = shared.directory_for(&caller).await?;
    caller.must_own(&scope, seen.as_ref().map(Seen::directory))?;
    shared.columns.check(&shared.live(), &scope).await?;
    let change = RuleChange {
        scope,
        retention: asked
            .retention
            .as_deref()
            .map(|text| retention(&shared, text))
            .transpose()?,
        apply_to_past: asked.apply_to_past,
    };
    let _probe = shared.probes.begin(&caller.name)?;
    let found = shared.live().engine.preview(&change).await;
    let found = found.map_err(|error| Problem::from(error).named_to(&caller))?;
    for unprobed in &found.unprobed {
        tracing::warn!(shard = %unprobed.shard, reason = unprobed.reason, "a preview is not complete");
    }
    let tables = found.tables.into_iter().map(|table| PreviewTable {
        shard: table.shard,
        table: table.table,
        before: table.before.into(),
        after: table.after.into(),
        n_kept: table.n_kept,
    });
    let unprobed = found.unprobed.into_iter().map(|unprobed| Unprobed {
        shard: unprobed.shard,
        table: unprobed.table,
        is_unreachable: unprobed.is_unreachable,
    });
    Ok(Json(Preview {
        as_of: found.as_of,
        tables: tables.collect(),
        unprobed: unprobed.collect(),
    }))
}
