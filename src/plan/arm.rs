//! Arms: one policy on one table, with the interval in which its rows are expired.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Ages;
use crate::cutoff::Bounds;
use crate::rule::RuleId;

/// One policy on one table: whose rows, and in which interval of time they are expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// The workspace.
    pub workspace: Arc<str>,
    /// Which of its projects.
    pub projects: Projects,
    /// The interval in which rows are expired.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// The rule that won, or nothing where the default of the config holds.
    pub rule: Option<RuleId>,
    /// Which of the intervals that holds and cuts leave of its policy, from 0, in the order of
    /// time. Several of one policy are never in one statement, where a row is looked up by its
    /// workspace or project.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub piece: u32,
    /// The interval that it was cut out of, where more rows are due in that than go in one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<Bounds>,
    /// Seconds from the oldest expired row that will go to the end of the interval, or of the one
    /// that it was cut out of.
    #[serde(default)]
    pub lag_s: u32,
    /// Seconds from the newest one to the same instant; nothing where none goes, or in a plan of an older
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_lag_s: Option<u32>,
    /// Expired rows that will go.
    pub n_due: u64,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
}

/// Which rows of a workspace an arm covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projects {
    /// All but those of these projects, which have policies of their own; usually none.
    Except(Arc<[Arc<str>]>),
    /// Those of one project.
    Only(Arc<str>),
}

impl Projects {
    /// All of a workspace.
    pub fn all() -> Self {
        Self::Except([].into())
    }
}

impl Arm {
    /// A policy of which nothing is counted yet, nor who made it.
    pub fn new(workspace: impl Into<Arc<str>>, projects: Projects, bounds: Bounds) -> Self {
        Self {
            workspace: workspace.into(),
            projects,
            bounds,
            rule: None,
            piece: 0,
            cut_from: None,
            lag_s: 0,
            least_lag_s: None,
            n_due: 0,
            n_kept: 0,
        }
    }

    /// The instant that its rows are overdue since, at the latest, in Unix milliseconds.
    pub fn cutoff_ms(&self) -> i64 {
        self.cut_from.unwrap_or(self.bounds).below_ms
    }

    /// Seconds from a row of this age to the instant that it is overdue since.
    pub(crate) fn lag_of(&self, oldest_ms: Option<i64>) -> u32 {
        let overdue_ms = oldest_ms.map_or(0, |at| self.cutoff_ms().saturating_sub(at));
        u32::try_from(overdue_ms.max(0) / 1_000).unwrap_or(u32::MAX)
    }

    /// From when the rows are that will go, rounded up to seconds before its end.
    pub fn ages(&self) -> Ages {
        let at = |lag_s: u32| self.cutoff_ms().saturating_sub(i64::from(lag_s) * 1_000);
        let newest_ms = self.least_lag_s.map(at);
        Ages {
            oldest_ms: newest_ms.map(|_| at(self.lag_s)),
            newest_ms,
        }
    }

    /// Adds rows that were counted, with the ages of those that will go.
    pub(crate) fn count(&mut self, n_due: u64, n_kept: u64, ages: Ages) {
        self.n_due += n_due;
        self.n_kept += n_kept;
        self.lag_s = self.lag_s.max(self.lag_of(ages.oldest_ms));
        let least_lag_s = ages.newest_ms.map(|_| self.lag_of(ages.newest_ms));
        self.least_lag_s = self.least_lag_s.into_iter().chain(least_lag_s).min();
    }

    /// Forgets what was counted.
    pub(crate) fn forget_counts(&mut self) {
        (self.n_due, self.n_kept) = (0, 0);
        (self.lag_s, self.least_lag_s) = (0, None);
    }

    /// The one project of a project policy.
    pub fn project(&self) -> Option<&Arc<str>> {
        match &self.projects {
            Projects::Only(project) => Some(project),
            Projects::Except(_) => None,
        }
    }

    /// The projects that a workspace policy leaves to policies of their own.
    pub fn exceptions(&self) -> &[Arc<str>] {
        match &self.projects {
            Projects::Only(_) => &[],
            Projects::Except(projects) => projects,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(piece: &u32) -> bool {
    *piece == 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An arm of a workspace of which nothing is counted yet.
    pub(in crate::plan) fn arm(workspace: &str, bounds: Bounds) -> Arm {
        Arm::new(workspace, Projects::all(), bounds)
    }
}
