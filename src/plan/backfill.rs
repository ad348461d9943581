//! A backfill: what a person asks to go once, whatever the rules say.
//!
//! Invariant: its rules expire what was asked for and nothing else: one scope and one age, and
//! `unlimited` for everybody else. So no partition ever goes as a whole for it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Arm, Step};
use crate::cutoff::Cutoff;
use crate::rule::{Days, Retention, Rule, RuleId, RuleSet, RuleSetError, Scope};

/// The number of the rule that a backfill is made of; the ledger has no rule of that number.
pub(crate) const ASKED: RuleId = 0;

/// What a person asks to go, whatever the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub struct Backfill {
    /// Who asks.
    pub by: String,
    /// Whose rows.
    pub scope: Scope,
    /// Rows of an age of more than this.
    pub older_than: Days,
    /// The tables; all targets if none is named.
    pub targets: Vec<String>,
}

impl Backfill {
    /// The rules that it is made of. Where none of them holds, rows are kept.
    ///
    /// # Errors
    /// None: one rule cannot be there twice.
    pub fn rules(&self, now: Timestamp) -> Result<RuleSet, RuleSetError> {
        RuleSet::new([Rule {
            id: ASKED,
            scope: self.scope.clone(),
            retention: Retention::Days {
                days: self.older_than,
                period: None,
            },
            apply_to_past: true,
            created_at: now,
        }])
    }

    /// As canonical JSON, for the record.
    pub fn text(&self) -> String {
        // A map of text and text: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether all that a step deletes was asked for, with the cutoffs of an instant.
    /// `organization_of` a workspace is asked of the directory of now.
    pub(crate) fn covers<'o>(
        &self,
        step: &Step,
        as_of: Timestamp,
        organization_of: impl Fn(&str) -> Option<&'o Arc<str>>,
    ) -> bool {
        let cutoff_ms = Cutoff::at(as_of, self.older_than).as_millisecond();
        let is_of_scope = |arm: &Arm| match &self.scope {
            Scope::Organization(name) => organization_of(&arm.workspace) == Some(name),
            Scope::Workspace(workspace) => arm.workspace == *workspace,
            Scope::Project { workspace, project } => {
                arm.workspace == *workspace && arm.project() == Some(project)
            }
        };
        let is_of_target =
            self.targets.is_empty() || self.targets.iter().any(|target| **target == *step.table);
        // Whole partitions hold rows of anybody, and have no arms.
        let mut arms = step.arms.iter();
        is_of_target
            && step.expired.is_none()
            && !step.arms.is_empty()
            && arms.all(|arm| is_of_scope(arm) && arm.bounds.below_ms <= cutoff_ms)
    }
}

/// For people.
impl fmt::Display for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows of {} older than {}", self.scope, self.older_than)?;
        if !self.targets.is_empty() {
            write!(f, ", only of {}", self.targets.join(", "))?;
        }
        Ok(())
    }
}

/// With the keys of a rule in YAML.
#[derive(Serialize, Deserialize)]
struct Wire {
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    older_than: Days,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
}

impl From<Backfill> for Wire {
    fn from(backfill: Backfill) -> Self {
        let (organization, workspace, project) = match backfill.scope {
            Scope::Organization(name) => (Some(name), None, None),
            Scope::Workspace(name) => (None, Some(name), None),
            Scope::Project { workspace, project } => (None, Some(workspace), Some(project)),
        };
        Self {
            by: backfill.by,
            organization,
            workspace,
            project,
            older_than: backfill.older_than,
            targets: backfill.targets,
        }
    }
}

impl TryFrom<Wire> for Backfill {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let scope = match (wire.organization, wire.workspace, wire.project) {
            (Some(name), None, None) => Scope::Organization(name),
            (None, Some(name), None) => Scope::Workspace(name),
            (None, Some(workspace), Some(project)) => Scope::Project { workspace, project },
            _ => return Err("a backfill is of an organization, a workspace, or its project"),
        };
        Ok(Self {
            by: wire.by,
            scope,
            older_than: wire.older_than,
            targets: wire.targets,
        })
    }
}

#[cfg(test)]
mod tests;
