//! What is told of a policy.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::row::Row;
use crate::cutoff::Bounds;
use crate::rule::{Rule, RuleId, Scope};

/// What holds for a workspace or one of its projects, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Policy {
    /// The workspace.
    pub(super) workspace: String,
    /// The project, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<String>,
    /// The organization that the directory places the workspace in, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization: Option<Arc<str>>,
    /// How long rows are kept: `unlimited`, a period of the configuration, or days.
    pub(super) retention: String,
    /// The same in days; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) days: Option<u32>,
    /// The rule that won; missing where the default of the configuration holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<TrailRule>,
    /// The rules that lost to a more specific one.
    pub(super) lost: Vec<TrailRule>,
    /// The default of the configuration.
    pub(super) default_retention: String,
    /// Below what rows are expired; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cutoff: Option<CutoffInstant>,
    /// What waits before it may be deleted; missing where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting: Option<Waiting>,
    /// Projects of the workspace with rules of their own, which this policy does not cover.
    pub(super) own_projects: Vec<Arc<str>>,
    /// Holds in force that keep rows of it.
    pub(super) holds: Vec<AppliedHold>,
    /// Pauses in force that stop deletes from it.
    pub(super) pauses: Vec<AppliedPause>,
    /// Tables whose target reaches further than what was approved or armed: expired rows there wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) target_changes: Vec<String>,
    /// Whether the sidecar deletes at all (`retention.enabled`).
    pub(super) is_enabled: bool,
    /// What becomes of the row that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<Row>,
    /// All this in words.
    pub(super) summary: Vec<String>,
    /// The instant that this is the answer of.
    pub(super) as_of: Timestamp,
    /// The revision of the ledger that this is the answer of.
    pub(super) revision: u64,
}

/// A rule that spoke for the workspace or project.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TrailRule {
    /// Its number.
    #[schema(value_type = u64)]
    pub(super) id: RuleId,
    /// What it applies to.
    pub(super) scope: TrailScope,
    /// As a person wrote it.
    pub(super) retention: String,
    /// Whether rows from before its creation follow it too.
    pub(super) apply_to_past: bool,
    /// When it was created.
    pub(super) created_at: Timestamp,
}

/// What a rule applies to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum TrailScope {
    /// The organization.
    Organization,
    /// The workspace.
    Workspace,
    /// The project.
    Project,
}

/// Below what rows are expired.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CutoffInstant {
    /// The start of a UTC day; a row exactly at it is kept.
    pub(super) at: Timestamp,
    /// The same as the smallest `UUIDv7` of its millisecond.
    pub(super) id: uuid::Uuid,
    /// Rows from before this instant stay, where the rule does not apply to the past.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Timestamp>,
    /// The same as the smallest `UUIDv7` of its millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_id: Option<uuid::Uuid>,
}

/// Expired rows that may not be deleted yet: the rules of now say more than those of the base.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Waiting {
    /// What for.
    pub(super) waits_for: WaitsFor,
    /// The revision that was approved, or armed for long enough; missing where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_revision: Option<u64>,
    /// Only rows before this instant may be deleted now; missing where none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted_below: Option<Timestamp>,
    #[serde(skip)]
    pub(super) bounds: Option<Bounds>,
}

/// What expired rows wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum WaitsFor {
    /// That a plan is approved.
    Approval,
    /// That the rules have been armed for `retention.armed_for`.
    Armed,
}

/// A hold that keeps rows of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AppliedHold {
    /// Its number.
    pub(super) id: u64,
    /// The project whose rows it keeps, where it is a hold of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<Arc<str>>,
    /// Only rows from this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Timestamp>,
    /// Only rows before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Timestamp>,
    /// Why; missing where the hold is on more than the token may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// A pause that stops deletes from it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AppliedPause {
    /// Its number.
    pub(super) id: u64,
    /// The table, where it is a pause of one target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Arc<str>>,
    /// Why; missing where the pause is of more than the token may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl From<&Rule> for TrailRule {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id,
            scope: match rule.scope {
                Scope::Organization(_) => TrailScope::Organization,
                Scope::Workspace(_) => TrailScope::Workspace,
                Scope::Project { .. } => TrailScope::Project,
            },
            retention: rule.retention.to_string(),
            apply_to_past: rule.apply_to_past,
            created_at: rule.created_at,
        }
    }
}
