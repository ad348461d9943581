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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{StepOutcomeKind, StepReport};
    use crate::plan::{TablePlan, Totals};
    use crate::verify::Verdict;

    /// A cycle over one table that went well: ten rows were due, and each reason kept ten.
    struct Scene {
        plan: Plan,
        report: CycleReport,
        before: Vec<Tally>,
        after: Vec<Tally>,
        changes: Vec<TableChange>,
    }

    fn good() -> Scene {
        let tally = |verdict: &str| Tally {
            table: "traces".into(),
            verdict: verdict.into(),
            n_rows: 10,
            fingerprint: 99,
        };
        let after: Vec<_> = STAYING.iter().map(|(verdict, _)| tally(verdict)).collect();
        let before = after.iter().cloned().chain([tally(OVERDUE)]).collect();
        let step = StepReport {
            number: 1,
            shard: "s".into(),
            table: "traces".into(),
            method: crate::plan::Method::Lightweight,
            shape: None,
            query_id: None,
            n_arms: 1,
            n_left_out: 0,
            n_due: 10,
            is_running: false,
            outcome: StepOutcomeKind::Applied(Verdict::Verified),
            held_by: None,
            lag_s: 0,
            statement: std::time::Duration::ZERO,
            probe: std::time::Duration::ZERO,
            duration: std::time::Duration::ZERO,
        };
        let report = CycleReport {
            cycle: "c".into(),
            status: CycleStatus::Done,
            steps: vec![step],
            unprobed: vec![],
            is_shrunk: false,
            n_before: 0,
        };
        let size = |n_rows| TableSize {
            table: "traces".into(),
            n_rows,
            n_workspaces: 1,
            bytes_on_disk: 1,
        };
        let table = TablePlan {
            shard: "s".into(),
            table: "traces".into(),
            totals: Totals::default(),
            n_due: 10,
            n_kept: 10,
            ..TablePlan::default()
        };
        Scene {
            plan: Plan {
                revision: 1,
                tables: vec![table],
                ..Plan::default()
            },
            changes: changes(&[size(70)], &[size(60)], &report),
            report,
            before,
            after,
        }
    }

    /// What is wrong, by its first words.
    fn wrong(spoil: impl FnOnce(&mut Scene)) -> Vec<String> {
        let mut scene = good();
        spoil(&mut scene);
        let checks = judge(Seen {
            plan: &scene.plan,
            report: &scene.report,
            before: &scene.before,
            after: &scene.after,
            changes: &scene.changes,
        });
        let wrong = checks.into_iter().filter(|check| !check.ok);
        wrong.map(|check| check.what).collect()
    }

    #[test]
    fn a_cycle_that_went_well_passes() {
        assert_eq!(wrong(|_| ()), [""; 0]);
    }

    #[test]
    fn whatever_is_not_as_promised_is_noticed() {
        let unplanned = wrong(|scene| scene.plan.tables[0].n_due = 9);
        assert!(unplanned[0].starts_with("the plan"), "{unplanned:?}");
        let failed = wrong(|scene| scene.report.status = CycleStatus::Failed);
        assert!(failed[0].starts_with("the cycle"), "{failed:?}");
        let left = wrong(|scene| scene.after.push(scene.before[6].clone()));
        assert!(left[0].ends_with("left: 10"), "{left:?}");
        let too_few = wrong(|scene| scene.changes[0].n_after -= 1);
        assert!(too_few[0].starts_with("rows before"), "{too_few:?}");
    }

    #[test]
    fn a_row_that_should_have_stayed_is_missed_even_if_another_took_its_place() {
        for (index, (_, meaning)) in STAYING.iter().enumerate() {
            let gone = wrong(|scene| scene.after[index].n_rows -= 1);
            let other = wrong(|scene| scene.after[index].fingerprint += 1);
            let none = wrong(|scene| {
                scene.before.remove(index);
                scene.after.remove(index);
            });
            for wrong in [gone, other, none] {
                assert_eq!(wrong.len(), 1, "{wrong:?}");
                assert!(wrong[0].contains(meaning), "{wrong:?}");
            }
        }
    }
}
