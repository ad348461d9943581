//! Whether everything is as promised, judged from counts that the engine had no part in.

use std::collections::BTreeSet;

use serde::Serialize;

use super::database::{TableSize, Tally};
use crate::cli::output::grouped;
use crate::engine::{CycleReport, CycleStatus};
use crate::plan::Plan;

/// What was looked at, and whether it is as promised.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) ok: bool,
    pub(super) what: String,
}

/// A table before and after.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TableChange {
    pub(super) table: String,
    pub(super) n_before: u64,
    pub(super) n_deleted: u64,
    pub(super) n_after: u64,
}

/// What was seen of a cycle from outside.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a CycleReport,
    pub(super) before: &'a [Tally],
    pub(super) after: &'a [Tally],
    pub(super) changes: &'a [TableChange],
}

const OVERDUE: &str = "overdue";

/// Reasons to stay, with what is said of them. A sample without one of them would prove nothing
/// for it, so each must have rows.
const STAYING: [(&str, &str); 6] = [
    ("young", "they are young enough"),
    (
        "unlimited",
        "they were promised for ever, or nobody said otherwise",
    ),
    (
        "in_experiment",
        "old enough to go, but an experiment refers to them",
    ),
    (
        "before_rule",
        "older than their rule, which does not apply to the past",
    ),
    ("no_age", "their ids tell no time"),
    ("future", "their ids are from the future"),
];

/// Judges a cycle.
pub(super) fn judge(seen: Seen<'_>) -> Vec<Check> {
    let Seen {
        plan,
        report,
        before,
        after,
        changes,
    } = seen;
    let tables: BTreeSet<&str> = before.iter().map(|tally| tally.table.as_str()).collect();
    let n_overdue = sum(before, OVERDUE);
    let as_planned = tables.iter().all(|table| {
        let due = plan
            .tables
            .iter()
            .filter(|planned| *planned.table == **table);
        due.map(|planned| planned.n_due).sum::<u64>() == of(before, table, OVERDUE).0
    });
    let n_left = sum(after, OVERDUE);
    let adds_up = |change: &TableChange| change.n_before == change.n_after + change.n_deleted;
    let mut checks = vec![
        Check {
            ok: as_planned && n_overdue > 0,
            what: format!(
                "the plan meant the {} overdue rows that this count finds, table by table",
                grouped(n_overdue)
            ),
        },
        Check {
            ok: report.status == CycleStatus::Done && report.n_deleted() == n_overdue,
            what: format!(
                "the cycle deleted {} rows, and verified every step",
                grouped(report.n_deleted())
            ),
        },
        Check {
            ok: n_left == 0,
            what: format!("overdue rows that are left: {}", grouped(n_left)),
        },
        Check {
            ok: changes.iter().all(adds_up),
            what: "rows before, less those deleted, are the rows after, in every table".into(),
        },
    ];
    checks.extend(STAYING.iter().map(|(verdict, meaning)| {
        let n_rows = sum(before, verdict);
        let same = |table: &&str| of(before, table, verdict) == of(after, table, verdict);
        Check {
            ok: n_rows > 0 && tables.iter().all(same),
            what: format!("{} rows stay, the very same: {meaning}", grouped(n_rows)),
        }
    }));
    checks
}

/// Tables before and after, with what the cycle says it deleted.
pub(super) fn changes(
    before: &[TableSize],
    after: &[TableSize],
    report: &CycleReport,
) -> Vec<TableChange> {
    let deleted = |table: &str| {
        let steps = report.steps.iter().filter(|step| *step.table == *table);
        steps.map(crate::engine::StepReport::n_deleted).sum()
    };
    let n_after = |table: &str| {
        let found = after.iter().find(|size| size.table == table);
        found.map_or(0, |size| size.n_rows)
    };
    let change = |size: &TableSize| TableChange {
        table: size.table.clone(),
        n_before: size.n_rows,
        n_deleted: deleted(&size.table),
        n_after: n_after(&size.table),
    };
    before.iter().map(change).collect()
}

/// Rows and fingerprint of a table and a verdict.
fn of(tallies: &[Tally], table: &str, verdict: &str) -> (u64, u64) {
    let found = tallies
        .iter()
        .find(|tally| tally.table == table && tally.verdict == verdict);
    found.map_or((0, 0), |tally| (tally.n_rows, tally.fingerprint))
}

fn sum(tallies: &[Tally], verdict: &str) -> u64 {
    let matching = tallies.iter().filter(|tally| tally.verdict == verdict);
    matching.map(|tally| tally.n_rows).sum()
}
