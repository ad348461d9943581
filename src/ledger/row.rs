//! Rows of the `rules` table as both databases return them, and the instants in them.

use jiff::Timestamp;

use super::{LedgerError, NewRule, RuleRecord};
use crate::rule::{RuleId, Scope};

/// A row of `rules`, before its columns are known to make sense together.
pub(super) struct RuleRow {
    pub(super) id: RuleId,
    pub(super) organization: Option<String>,
    pub(super) workspace: Option<String>,
    pub(super) project: Option<String>,
    pub(super) retention: String,
    pub(super) apply_to_past: bool,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) deactivated_at: Option<Timestamp>,
    pub(super) deactivated_by: Option<String>,
}

impl RuleRow {
    pub(super) fn record(self) -> Result<RuleRecord, Malformed> {
        let scope = match (self.organization, self.workspace, self.project) {
            (Some(name), None, None) => Scope::Organization(name.into()),
            (None, Some(name), None) => Scope::Workspace(name.into()),
            (None, Some(workspace), Some(project)) => Scope::Project {
                workspace: workspace.into(),
                project: project.into(),
            },
            _ => return Err(Malformed(format!("rule {} has no single scope", self.id))),
        };
        let rule = NewRule {
            scope,
            retention: self.retention,
            apply_to_past: self.apply_to_past,
            created_at: self.created_at,
        };
        let deactivated = self.deactivated_at.zip(self.deactivated_by);
        Ok(RuleRecord {
            id: self.id,
            rule,
            created_by: self.created_by,
            deactivated,
        })
    }
}

/// The columns `organization`, `workspace` and `project` of a scope.
pub(super) fn scope_columns(scope: &Scope) -> [Option<&str>; 3] {
    match scope {
        Scope::Organization(name) => [Some(name), None, None],
        Scope::Workspace(name) => [None, Some(name), None],
        Scope::Project { workspace, project } => [None, Some(workspace), Some(project)],
    }
}

/// Somebody changed the database by hand.
#[derive(Debug, thiserror::Error)]
#[error("{0}; correct the row by hand")]
pub(super) struct Malformed(pub(super) String);

/// The instant as the ledger keeps it.
pub(super) fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Refuses what the date types of the databases cannot hold.
pub(super) fn storable(at: Timestamp) -> Result<Timestamp, LedgerError> {
    match at {
        // The year 9999 ends a few hours before `Timestamp::MAX` does.
        at if at < Timestamp::UNIX_EPOCH || at.as_second() >= 253_402_207_200 => {
            Err(LedgerError::Instant { at })
        }
        at => Ok(whole_microseconds(at)),
    }
}
