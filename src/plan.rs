//! The plan: every choice of a cycle, made before anything is sent.
//!
//! Invariant: [`decide`] is pure. Executing a plan needs no further choice; an executor may only
//! leave things out.

mod arm;
mod inventory;
mod pack;

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt};
use jiff::Timestamp;
use serde::Serialize;

pub use arm::{Arm, Projects, candidates};
pub use inventory::{CensusRow, DueRow, TableInventory, Totals};
pub use pack::{Limits, Packed, pack};

use crate::cutoff::utc_day;
use crate::resolve::Policies;
use crate::rule::{Days, Retention, RuleId};
use crate::target::CheckedTarget;

/// The complete list of steps of a cycle, with counts.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The instant that the cutoffs are made from.
    pub as_of: Timestamp,
    /// The UTC day of `as_of`; cutoffs are whole days before it.
    pub day: String,
    /// [`crate::RuleSet::digest`] of the rules it was made from.
    pub rules_digest: String,
    /// The revision of the ledger it was made from.
    pub revision: u64,
    /// The tables that were probed, in the order of work: children first, shard by shard.
    pub tables: Vec<TablePlan>,
    /// What is deleted, in order.
    pub steps: Vec<Step>,
    /// The rules that the steps follow.
    pub rules: Vec<PlannedRule>,
    /// Why the plan must not be executed as it is; empty if it may be.
    pub refusals: Vec<Refusal>,
    /// What could not be probed and is therefore left alone.
    pub unprobed: Vec<Unprobed>,
}

/// What a plan means for one table.
#[derive(Debug, Clone, Serialize)]
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
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
}

/// One table, one set of policies, one method, bounded in workspaces, bytes and rows.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: u32,
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// How it deletes.
    pub method: Method,
    /// The policies, each with something due.
    pub arms: Vec<Arm>,
    /// Rows that will go.
    pub n_due: u64,
}

/// How rows are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A lightweight DELETE: rows are masked at once and leave the disk with later merges.
    Lightweight,
}

impl Method {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lightweight => "lightweight",
        }
    }
}

/// A rule that steps of a plan follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRule {
    /// Its number, or nothing for the default of the config.
    pub rule: Option<RuleId>,
    /// What it applies to; `default` for the default.
    pub scope: String,
    /// The retention as a person wrote it.
    pub retention: Retention,
    /// Whether it applies to rows from before its creation.
    pub apply_to_past: bool,
}

/// Why a plan must not be executed.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "guard", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// It would delete more of a table than is allowed at once.
    #[error(
        "table {table} on {shard} would lose {n_due} of {n_rows} rows, more than \
         retention.max_share_of_table ({max_share}) allows; look at `ebbtide plan`, and raise the \
         share if this is what you want"
    )]
    Share {
        /// The shard.
        shard: Arc<str>,
        /// The table.
        table: Arc<str>,
        /// Rows that would go.
        n_due: u64,
        /// Rows that are there.
        n_rows: u64,
        /// The largest share that is allowed.
        max_share: f64,
    },
    /// It was made for a day that has not come.
    #[error(
        "the plan is made as of {day}, and today is {today}; plans of the future are to look at"
    )]
    Future {
        /// The plan's UTC day.
        day: String,
        /// The UTC day of the executor's clock.
        today: String,
    },
    /// It would delete rows younger than the floor.
    #[error(
        "step {step} would delete rows of {table} that are younger than the floor of {floor}; make the plan again"
    )]
    Floor {
        /// The step.
        step: u32,
        /// The table.
        table: Arc<str>,
        /// The floor.
        floor: Days,
    },
}

/// What could not be probed; nothing of it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unprobed {
    /// The shard.
    pub shard: Arc<str>,
    /// The table, or nothing for the whole shard.
    pub table: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// Whether the server could not be reached at all.
    pub is_unreachable: bool,
}

/// What [`decide`] looks at.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The instant that the cutoffs are made from.
    pub as_of: Timestamp,
    /// What holds for whom.
    pub policies: &'a Policies<'a>,
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
    let mut tables = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for (target, inventory) in snapshot.tables {
        let TableInventory {
            shard,
            table,
            totals,
            arms,
        } = inventory;
        let n_kept = arms.iter().map(|arm| arm.n_kept).sum();
        let due: Vec<Arm> = arms.into_iter().filter(|arm| arm.n_due > 0).collect();
        let n_due = due.iter().map(|arm| arm.n_due).sum();
        for arms in pack(due, target, limits).statements {
            steps.push(Step {
                number: u32::try_from(steps.len())
                    .unwrap_or(u32::MAX)
                    .saturating_add(1),
                shard: Arc::clone(&shard),
                table: Arc::clone(&table),
                method: Method::Lightweight,
                n_due: arms.iter().map(|arm| arm.n_due).sum(),
                arms,
            });
        }
        tables.push(TablePlan {
            shard,
            table,
            totals,
            n_due,
            n_kept,
        });
    }
    Plan {
        as_of: snapshot.as_of,
        day: utc_day(snapshot.as_of),
        rules_digest: snapshot.policies.rules().digest(),
        revision: snapshot.revision,
        rules: planned_rules(&steps, snapshot.policies),
        refusals: refusals(&tables, limits),
        tables,
        steps,
        unprobed: snapshot.unprobed,
    }
}

/// The guards that a plan does not pass. The planner asks, and the executor asks again.
pub(crate) fn refusals(tables: &[TablePlan], limits: &Limits) -> Vec<Refusal> {
    tables
        .iter()
        .filter(|table| exceeds(table.n_due, table.totals.n_rows, limits.max_share_of_table))
        .map(|table| Refusal::Share {
            shard: Arc::clone(&table.shard),
            table: Arc::clone(&table.table),
            n_due: table.n_due,
            n_rows: table.totals.n_rows,
            max_share: limits.max_share_of_table,
        })
        .collect()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a share needs no 53 bits"
)]
fn exceeds(n_due: u64, n_rows: u64, max_share: f64) -> bool {
    n_due as f64 > n_rows as f64 * max_share
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
            retention: policies.default_retention().clone(),
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
            retention: rule.retention.clone(),
            apply_to_past: rule.apply_to_past,
        })
        .collect();
    found.sort_by_key(|rule| rule.rule);
    rules.extend(found);
    rules
}
