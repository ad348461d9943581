//! Arms: one policy on one table, with the interval in which its rows are expired.

use std::sync::Arc;

use serde::Serialize;

use super::inventory::CensusRow;
use crate::cutoff::Bounds;
use crate::resolve::{Policies, Policy};
use crate::rule::RuleId;
use crate::target::CheckedTarget;
use jiff::Timestamp;

/// One policy on one table: whose rows, and in which interval of time they are expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Expired rows that will go.
    pub n_due: u64,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
}

/// Which rows of a workspace an arm covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Projects {
    /// All but those of these projects, which have policies of their own; usually none.
    Except(Arc<[Arc<str>]>),
    /// Those of one project.
    Only(Arc<str>),
}

impl Arm {
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

/// The arms that may have expired rows in a table, from what a census found there. An arm whose
/// interval is empty, or that begins before the workspace's oldest row, has nothing to do.
///
/// The default of the config holds for every workspace the census found, known to the directory or
/// not. Rows without a readable workspace have no policy and stay.
///
/// A project that the target's project column cannot hold has no rows there and no arm.
pub fn candidates(
    target: &CheckedTarget,
    census: &[CensusRow],
    policies: &Policies<'_>,
    now: Timestamp,
) -> Vec<Arm> {
    let holds = |project: &str| {
        target
            .project
            .as_ref()
            .is_some_and(|column| column.kind.can_hold(project))
    };
    let none: Arc<[Arc<str>]> = Arc::new([]);
    // Untouched capacity costs no memory; growing would need the old and the new room at once.
    let mut arms = Vec::with_capacity(census.len());
    for row in census {
        let Some(oldest_ms) = row.oldest_ms.filter(|_| row.is_readable) else {
            continue;
        };
        let mut arm = |policy: Policy<'_>, projects: Projects| {
            let Some(bounds) = policy.bounds(now) else {
                return;
            };
            // Not strictly below: the census may round an age up to its millisecond.
            if oldest_ms <= bounds.below_ms {
                arms.push(Arm {
                    workspace: Arc::clone(&row.workspace),
                    projects,
                    bounds,
                    rule: policy.trail.winner().map(|rule| rule.id),
                    n_due: 0,
                    n_kept: 0,
                });
            }
        };
        let mut exceptions = Vec::new();
        for (project, policy) in policies
            .projects(&row.workspace)
            .filter(|(name, _)| holds(name))
        {
            exceptions.push(Arc::clone(project));
            arm(policy, Projects::Only(Arc::clone(project)));
        }
        let exceptions = if exceptions.is_empty() {
            Arc::clone(&none)
        } else {
            Arc::from(exceptions)
        };
        arm(
            policies.workspace(&row.workspace),
            Projects::Except(exceptions),
        );
    }
    arms
}
