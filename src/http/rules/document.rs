//! What is told of a rule.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Shared, wire};
use crate::ledger::RuleRecord;
use crate::rule::RuleId;

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Rule {
    /// Its number.
    #[schema(value_type = u64)]
    id: RuleId,
    /// The organization it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Arc<str>>,
    /// The workspace it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Arc<str>>,
    /// The project it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    /// As a person wrote it.
    retention: String,
    /// The days that this means today; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// Whether rows from before its creation follow it too.
    apply_to_past: bool,
    /// When it was created.
    created_at: Timestamp,
    /// Who created it.
    created_by: String,
    /// Whether it is active.
    is_active: bool,
    /// When it was deactivated or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<Timestamp>,
    /// Who did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_by: Option<String>,
}

pub(super) fn rule_of(shared: &Shared, record: RuleRecord) -> Rule {
    let (organization, workspace, project) = wire::names(&record.rule.scope);
    let is_active = record.deactivated.is_none();
    let (deactivated_at, deactivated_by) = record.deactivated.unzip();
    // An old rule may name a period that is gone.
    let known = shared
        .app
        .live
        .borrow()
        .config
        .periods
        .retention(&record.rule.retention);
    Rule {
        id: record.id,
        organization,
        workspace,
        project,
        days: known
            .ok()
            .and_then(|retention| Some(retention.days()?.get())),
        retention: record.rule.retention,
        apply_to_past: record.rule.apply_to_past,
        created_at: record.rule.created_at,
        created_by: record.created_by,
        is_active,
        deactivated_at,
        deactivated_by,
    }
}
