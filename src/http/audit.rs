//! `/v1/audit`: the record that nobody can edit unnoticed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::input::Query;
use super::page::{self, Page};
use super::patience::promptly;
use super::problem::Answer;
use crate::audit::Entry;

/// An entry of the hash chain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    /// Its number, from 1, without gaps.
    seq: u64,
    /// When it happened.
    at: Timestamp,
    /// Who did it.
    actor: String,
    /// What happened, such as `rule_created`.
    kind: String,
    /// The particulars.
    #[schema(value_type = Object)]
    body: serde_json::Value,
    /// The hash of the entry before it.
    previous: String,
    /// Its own hash.
    hash: String,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.fact.at,
            actor: entry.fact.actor,
            kind: entry.fact.kind,
            body: entry.fact.body,
            previous: entry.previous,
            hash: entry.hash,
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Entries of the hash chain, in order. `ebbtide audit verify` checks the whole chain.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", operation_id = "listAudit", params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = Page<AuditEntry>)),
    security(("token" = ["admin", "unbound"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<AuditQuery>,
) -> Answer<Json<Page<AuditEntry>>> {
    let limit = page::limit(query.limit)?;
    let after: u64 = page::place("audit", query.cursor.as_deref())?.unwrap_or(0);
    let mut entries = Vec::new();
    let mut keep = |entry: Entry| entries.push(AuditEntry::from(entry));
    // One more, to know whether there is a next page.
    let at_most = Some(limit.saturating_add(1));
    let after = after.saturating_add(1);
    promptly(shared.app.ledger.each_entry(after, at_most, &mut keep)).await?;
    Ok(page::cut("audit", entries, limit, |entry: &AuditEntry| {
        entry.seq.to_string()
    }))
}
