//! The plan: every choice of a cycle, made before anything is sent.
//!
//! Invariant: [`decide`] is pure. Executing a plan needs no further choice; an executor may only
//! leave things out.

mod arm;
mod backfill;
mod budget;
mod candidate;
mod choose;
mod digest;
mod extent;
mod inventory;
mod obstacle;
mod pack;
mod partition;
mod rates;
mod reclaim;
mod refusal;
mod slice;
mod split;
mod steps;
mod still;
mod terms;
mod time_left;
mod told;

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use arm::{Arm, Projects};
pub use backfill::Backfill;
pub use budget::{Budget, Deferred};
pub use candidate::{Candidates, candidates};
pub(crate) use choose::MOST_PARTS_DROPPED;
pub use choose::{Choice, Facts, choose};
pub use extent::{Ages, Extent};
pub use inventory::{
    Cell, Census, CensusCell, CensusRow, DueRow, TableInventory, Totals, Uncounted,
};
pub use obstacle::{KeptBy, Obstacle};
pub use pack::{Limits, Packed, pack};
pub use partition::{ByHand, Partition, for_everybody, highest_cutoff_ms, inside};
pub use rates::{Rate, Rates, StepCost};
pub use reclaim::{Disk, Reclaim, ReclaimLimits, Remains, weigh};
pub use refusal::Refusal;
pub use split::{Bucket, Histogram};
pub use terms::{Base, Basis, Terms};
pub use time_left::{rows_per_second, time_left};

pub(crate) use backfill::ASKED;
pub(crate) use candidate::candidates_of_project;
pub(crate) use choose::Bytes;
pub(crate) use digest::directory_digest;
pub(crate) use partition::{UNPARTITIONED, finite_workspaces, keeper};
pub(crate) use reclaim::{Age, age};
pub(crate) use refusal::{refusals, touches};
pub(crate) use slice::Slice;
pub(crate) use still::{Still, goes_whole, still_due};
pub(crate) use told::told;

use self::budget::steps_within;
use self::steps::{Portion, portions};

use crate::cutoff::{Bounds, utc_day};
use crate::guard::PauseScope;
use crate::resolve::Policies;
use crate::rule::RuleId;
use crate::slot::SlotRange;
use crate::target::{CheckedTarget, TargetChange};

/// The complete list of steps of a cycle, with counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The instant that the cutoffs are made from.
    pub as_of: Timestamp,
    /// The instant at which it was made.
    pub made_at: Timestamp,
    /// The UTC day of `as_of`; cutoffs are whole days before it.
    pub day: String,
    /// [`crate::RuleSet::digest`] of the rules it was made from.
    pub rules_digest: String,
    /// SHA-256 over the organizations of the workspaces that it deletes from: an operator's own
    /// directory has no revision.
    pub directory_digest: String,
    /// The revision of the ledger it was made from.
    pub revision: u64,
    /// SHA-256 over everything that it would do and was made from, in hexadecimal.
    pub digest: String,
    /// Which rules it follows.
    pub basis: Basis,
    /// What somebody asked for, whatever the rules say; nothing where it follows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// Whether something must be approved, or armed, before anything is deleted.
    pub needs_base: bool,
    /// The revision that was approved and armed; nothing if none was, or none is needed.
    pub base_revision: Option<u64>,
    /// The share of the workspaces that it is for; all of them if nothing.
    pub slot: Option<SlotRange>,
    /// The tables that were probed, in the order of work: children first, shard by shard.
    pub tables: Vec<TablePlan>,
    /// What is deleted, in order.
    pub steps: Vec<Step>,
    /// The rules that the steps follow.
    pub rules: Vec<PlannedRule>,
    /// The targets as they were checked.
    pub targets: Vec<PlannedTarget>,
    /// Rows that go once what holds now is approved, or has been armed for long enough.
    pub waiting: Vec<TableRows>,
    /// What of the targets reaches further than it did at the base: rows there wait, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_changes: Vec<TargetChange>,
    /// When the rules of now will have been armed for long enough, at the latest.
    pub armed_at: Option<Timestamp>,
    /// Rows that are left to the next cycles, since this one has a budget, and a look its limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<Deferred>,
    /// Rows that would go if nothing were held.
    pub held: Vec<TableRows>,
    /// Rows that would go if nothing were paused.
    pub paused: Vec<TableRows>,
    /// The holds that took something out of the plan.
    pub holds: Vec<u64>,
    /// All holds that were in force.
    pub active_holds: Vec<u64>,
    /// What was paused.
    pub pauses: Vec<PauseScope>,
    /// Why the plan must not be executed as it is; empty if it may be.
    pub refusals: Vec<Refusal>,
    /// What could not be probed and is therefore left alone.
    pub unprobed: Vec<Unprobed>,
    /// What only a person can decide.
    #[serde(default)]
    pub by_hand: Vec<ByHand>,
}

/// What a plan means for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePlan {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// What is in it.
    #[serde(flatten)]
    pub totals: Totals,
    /// Expired rows that will go.
    pub n_due: u64,
    /// How much of it that is, and from when.
    #[serde(default, skip_serializing_if = "Extent::is_unknown")]
    pub extent: Extent,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// Seconds from the oldest expired row to its cutoff.
    #[serde(default)]
    pub lag_s: u32,
    /// Rows that went before on the same UTC day.
    #[serde(default)]
    pub n_deleted_today: u64,
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// How many.
    pub n_rows: u64,
}

/// A target as it was checked on a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTarget {
    /// The shard.
    pub shard: Arc<str>,
    /// The target.
    pub target: CheckedTarget,
}

/// One table, one set of policies, one method, bounded in workspaces, bytes and rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: u32,
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// How it deletes.
    pub method: Method,
    /// The ids of the partitions that it deletes from; all of the table if none is named.
    #[serde(default)]
    pub partitions: Vec<Arc<str>>,
    /// The parts that its statement is registered against.
    #[serde(default)]
    pub n_parts: u64,
    /// Why it deletes like this.
    #[serde(default)]
    pub reason: Arc<str>,
    /// The policies, each with something due; none where whole partitions go.
    pub arms: Vec<Arm>,
    /// Where whole partitions go: the interval in which everybody's rows are expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<Bounds>,
    /// Rows that will go.
    pub n_due: u64,
    /// How much of the table that is, and from when.
    #[serde(default, skip_serializing_if = "Extent::is_unknown")]
    pub extent: Extent,
}

/// How rows are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A lightweight DELETE: rows are masked at once and leave the disk with later merges.
    Lightweight,
    /// A DELETE that writes patch parts: no mutation, and reads join them until the next merge.
    Patch,
    /// Whole partitions are dropped.
    Partition,
}

impl Method {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lightweight => "lightweight",
            Self::Patch => "patch",
            Self::Partition => "partition",
        }
    }
}

/// A rule that steps of a plan follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRule {
    /// Its number; 0 for what a backfill was asked for, nothing for the default of the config.
    pub rule: Option<RuleId>,
    /// What it applies to; `default` for the default.
    pub scope: String,
    /// The retention as a person wrote it.
    pub retention: String,
    /// Whether it applies to rows from before its creation.
    pub apply_to_past: bool,
}

/// What could not be probed; nothing of it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprobed {
    /// The shard.
    pub shard: Arc<str>,
    /// The table, or nothing for the whole shard.
    pub table: Option<Arc<str>>,
    /// The workspace whose rows are left alone there, or nothing for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// Whether the server could not be reached at all.
    pub is_unreachable: bool,
    /// Whether an earlier delete still runs there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_running: bool,
}

/// What [`decide`] looks at.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Under which terms rows are deleted.
    pub terms: &'a Terms<'a>,
    /// The revision of the ledger they were read at.
    pub revision: u64,
    /// The tables in the order of work, with the checked target of each.
    pub tables: Vec<(&'a CheckedTarget, TableInventory)>,
    /// What could not be probed.
    pub unprobed: Vec<Unprobed>,
}

/// Makes every choice: which arms go into which step, in which order.
///
/// Arms with nothing due are left out, so a table where nothing is due has no step.
pub fn decide(snapshot: Snapshot<'_>, limits: &Limits) -> Plan {
    let Snapshot {
        terms,
        revision,
        tables,
        unprobed,
    } = snapshot;
    let mut plan = Plan {
        as_of: terms.now,
        made_at: terms.made_at,
        day: utc_day(terms.now),
        rules_digest: terms.policies.rules().digest(),
        revision,
        basis: terms.basis,
        backfill: terms.backfill.cloned(),
        needs_base: !matches!(terms.base, Base::NotNeeded),
        base_revision: terms.base.revision(),
        target_changes: terms.base.changes().to_vec(),
        slot: terms.slot,
        active_holds: terms.guards.holds().iter().map(|hold| hold.id).collect(),
        pauses: terms.guards.pauses().to_vec(),
        unprobed,
        ..Plan::default()
    };
    let mut portions = Vec::new();
    let mut uncounted = Vec::new();
    for (target, inventory) in tables {
        uncounted.extend(Deferred::of_uncounted(&inventory));
        portions.extend(plan.add(target, inventory, limits));
    }
    (plan.steps, plan.deferred) = steps_within(portions, limits);
    for of_table in uncounted {
        of_table.add_to(&mut plan.deferred);
    }
    plan.add_up();
    plan.holds.sort_unstable();
    plan.holds.dedup();
    plan.rules = planned_rules(&plan.steps, terms.policies);
    plan.directory_digest = directory_digest(&plan.steps, |workspace| {
        terms.policies.organization_of(workspace)
    });
    plan.refusals = refusals(&plan.tables, &plan.deferred, limits);
    plan.digest = plan.computed_digest();
    plan
}

impl Plan {
    /// Notes what is to be said of one table; returns what is due in it.
    fn add<'t>(
        &mut self,
        target: &'t CheckedTarget,
        mut inventory: TableInventory,
        limits: &Limits,
    ) -> Vec<Portion<'t>> {
        let n_kept = inventory.arms.iter().map(|arm| arm.n_kept).sum();
        let mut portions = portions(target, &mut inventory, limits);
        let (shard, table) = (inventory.shard, inventory.table);
        let runs_in = |of: &Unprobed| of.shard == shard && of.table.as_ref() == Some(&table);
        let is_running = self.unprobed.iter().any(|of| of.is_running && runs_in(of));
        for portion in &mut portions {
            portion.is_running = is_running;
        }
        let rows = |n_rows: u64| {
            (n_rows > 0).then(|| TableRows {
                shard: Arc::clone(&shard),
                table: Arc::clone(&table),
                n_rows,
            })
        };
        self.waiting.extend(rows(inventory.n_waiting));
        self.held.extend(rows(inventory.n_held));
        self.paused.extend(rows(inventory.n_paused));
        self.holds.extend(inventory.holds);
        self.by_hand.extend(inventory.by_hand);
        self.targets.push(PlannedTarget {
            shard: Arc::clone(&shard),
            target: target.clone(),
        });
        self.tables.push(TablePlan {
            shard,
            table,
            totals: inventory.totals,
            n_due: 0,
            extent: Extent::default(),
            n_kept,
            lag_s: inventory.lag_s,
            n_deleted_today: inventory.n_deleted_today,
        });
        portions
    }

    /// Adds up the steps of each table.
    fn add_up(&mut self) {
        for table in &mut self.tables {
            let of_table = |step: &&Step| step.shard == table.shard && step.table == table.table;
            let steps = || self.steps.iter().filter(of_table);
            table.n_due = steps().map(|step| step.n_due).sum();
            let extent = steps().map(|step| step.extent).reduce(Extent::and);
            table.extent = extent.unwrap_or_default();
        }
    }

    /// Rows that wait for another cycle, as far as they were counted.
    pub fn n_deferred(&self) -> u64 {
        self.deferred.iter().map(|table| table.n_rows).sum()
    }

    /// Whether more is due than could be counted: nobody knows how much waits for another cycle.
    pub fn is_uncounted(&self) -> bool {
        self.deferred
            .iter()
            .any(|table| table.n_uncounted.is_some())
    }

    /// Rows that would go.
    pub fn n_due(&self) -> u64 {
        self.tables.iter().map(|table| table.n_due).sum()
    }

    /// Whether it was made as of another day than that of its making: such a plan is to look at.
    pub fn is_hypothetical(&self) -> bool {
        self.day != utc_day(self.made_at)
    }

    /// Whether nothing may be deleted, because nothing was approved or armed for long enough.
    pub fn is_unapproved(&self) -> bool {
        self.basis == Basis::Effective && self.needs_base && self.base_revision.is_none()
    }
}

fn planned_rules(steps: &[Step], policies: &Policies<'_>) -> Vec<PlannedRule> {
    let mut used: HashSet<Option<RuleId>> = HashSet::new();
    let mut last = None;
    for arm in steps.iter().flat_map(|step| &step.arms) {
        // Neighbours often follow one rule.
        if last != Some(arm.rule) {
            last = Some(arm.rule);
            used.insert(arm.rule);
        }
    }
    let mut rules = Vec::new();
    if used.contains(&None) {
        rules.push(PlannedRule {
            rule: None,
            scope: "default".into(),
            retention: policies.default_retention().to_string(),
            apply_to_past: true,
        });
    }
    let mut found: Vec<PlannedRule> = policies
        .rules()
        .iter()
        .filter(|rule| used.contains(&Some(rule.id)))
        .map(|rule| PlannedRule {
            rule: Some(rule.id),
            scope: rule.scope.to_string(),
            retention: rule.retention.to_string(),
            apply_to_past: rule.apply_to_past,
        })
        .collect();
    found.sort_by_key(|rule| rule.rule);
    rules.extend(found);
    rules
}
