//! The terms of a plan: what holds, what was approved, what is held, and whose turn it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Backfill;
use crate::guard::Guards;
use crate::resolve::Policies;
use crate::rule::{Rule, Scope};
use crate::slot::SlotRange;
use crate::target::{CheckedTarget, TargetChange, Unmatched};

/// Which rules a plan follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Those of now, as far as the base agrees: what was approved and has been armed for long
    /// enough. What `run` and `serve` execute.
    #[default]
    Effective,
    /// Those of now alone: for review. It is executed only once its revision is approved.
    Proposed,
}

impl Basis {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Effective => "effective",
            Self::Proposed => "proposed",
        }
    }
}

/// The rules that must agree with those of now before anything is deleted.
#[derive(Debug, Clone, Copy, Default)]
pub enum Base<'a> {
    /// The rules of now act at once.
    #[default]
    NotNeeded,
    /// Nothing was approved, or armed for long enough: nothing may be deleted.
    Missing,
    /// Those of an earlier revision, or of this one.
    At {
        /// The revision.
        revision: u64,
        /// What held at it; nothing where that is what holds now.
        policies: Option<&'a Policies<'a>>,
        /// What of the targets reaches further now.
        changes: &'a [TargetChange],
    },
}

impl Base<'_> {
    /// Its revision.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::NotNeeded | Self::Missing => None,
            Self::At { revision, .. } => Some(*revision),
        }
    }

    /// Whether there is none although one is needed.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// What of the targets reaches further than it did.
    pub fn changes(&self) -> &[TargetChange] {
        match self {
            Self::NotNeeded | Self::Missing => &[],
            Self::At { changes, .. } => changes,
        }
    }
}

/// Under which terms rows are deleted.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The instant that the cutoffs are made from.
    pub now: Timestamp,
    /// The instant at which the plan is made; another one where somebody looks ahead or back.
    pub made_at: Timestamp,
    /// What holds for whom.
    pub policies: &'a Policies<'a>,
    /// Whether the base is asked.
    pub basis: Basis,
    /// What somebody asked for, if the policies are made of that.
    pub backfill: Option<&'a Backfill>,
    /// What must agree.
    pub base: Base<'a>,
    /// What must stay, or wait.
    pub guards: &'a Guards,
    /// The workspaces whose turn it is; all of them if nothing.
    pub slot: Option<SlotRange>,
    /// Whether tables are counted whole, for people and metrics.
    pub with_totals: bool,
}

impl<'a> Terms<'a> {
    /// The rules of now, for everybody, without guards.
    pub fn new(policies: &'a Policies<'a>, now: Timestamp) -> Self {
        Self {
            now,
            made_at: now,
            policies,
            basis: Basis::Effective,
            backfill: None,
            base: Base::NotNeeded,
            guards: Guards::none(),
            slot: None,
            with_totals: true,
        }
    }

    /// The terms of one table. Where its target reaches further than that of the base, no row of it
    /// was ever approved by this target.
    #[must_use]
    pub fn of_table(self, shard: &str, table: &str) -> Self {
        let mut changes = self.base.changes().iter();
        if changes.any(|change| change.concerns(shard, table)) {
            Self {
                base: Base::Missing,
                ..self
            }
        } else {
            self
        }
    }

    /// Rules of now or of the base, and holds, that a target cannot tell rows by. Whoever makes one
    /// must not stop everybody: it leaves only its own workspace alone.
    pub(crate) fn unmatched(&self, target: &CheckedTarget) -> Vec<Unmatched> {
        let base = match self.base {
            Base::At { policies, .. } => policies,
            Base::NotNeeded | Base::Missing => None,
        };
        let now = self.policies.rules();
        let is_of_now = |rule: &&Rule| {
            let same = match &rule.scope {
                Scope::Organization(name) => now.organization(name),
                Scope::Workspace(name) => now.workspace(name),
                Scope::Project { workspace, project } => now.project(workspace, project),
            };
            same.is_some_and(|same| same.id == rule.id)
        };
        let of_base = base.into_iter().flat_map(|base| base.rules().iter());
        let rules = now.iter().chain(of_base.filter(|rule| !is_of_now(rule)));
        let mut found = target.unmatched(rules, self.guards);
        found.retain(|unmatched| {
            let slot = self.slot;
            slot.is_none_or(|slot| slot.contains(&unmatched.workspace))
        });
        found
    }

    /// Whether the policies of now alone decide about every workspace.
    pub(super) fn is_plain(&self) -> bool {
        let base_agrees = match self.base {
            Base::NotNeeded => true,
            Base::Missing => false,
            Base::At { policies, .. } => policies.is_none(),
        };
        base_agrees && self.guards.is_empty()
    }
}
