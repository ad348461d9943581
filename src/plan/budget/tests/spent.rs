//! What the budget is spent on: never on rows that stay all the same.

use super::*;
use crate::plan::{Snapshot, Terms, Unprobed, decide};
use crate::resolve::{Directory, resolve};
use crate::rule::{Retention, RuleSet};

/// The second table, with these rows of workspaces and a whole partition beside them.
fn beside_a_whole(target: &CheckedTarget, rows: &Rows) -> TableInventory {
    TableInventory {
        expired: Some(Bounds {
            below_ms: CUTOFF,
            from_ms: None,
        }),
        partitions: vec![Partition {
            id: "19710301".into(),
            value: "19710301".into(),
            n_due: 10,
            goes_whole: true,
            ..Partition::default()
        }],
        ..inventory(target, 1, rows)
    }
}

/// The targets, the second with partitions by day.
fn partitioned() -> [CheckedTarget; 3] {
    let mut targets = targets();
    let [_, spans, _] = &mut targets;
    spans.ways.is_partitioned = true;
    spans.ways.period = Some(Period::Day);
    targets
}

/// A cycle with whole partitions of the second table.
fn cycle_with_whole(rows: &Rows, limits: &Limits) -> (Vec<Step>, Vec<Deferred>) {
    let targets = partitioned();
    let [scores, spans, traces] = &targets;
    let mut all = portions(scores, &mut inventory(scores, 0, rows), limits);
    all.extend(portions(spans, &mut beside_a_whole(spans, rows), limits));
    all.extend(portions(traces, &mut inventory(traces, 2, rows), limits));
    steps_within(all, limits)
}

fn n_by_arms(steps: &[Step]) -> u64 {
    let arms = steps.iter().flat_map(|step| &step.arms);
    arms.map(|arm| arm.n_due).sum()
}

fn names(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| &*step.table).collect()
}

proptest! {
    /// Nobody has more than half of the budget due, so that no piece is left over that is larger.
    #[test]
    fn a_cycle_spends_half_of_its_budget_or_does_what_nothing_stands_in_the_way_of(
        rows in town(), more in 0_u64..400,
    ) {
        let of = |name: &str| {
            let its = rows.iter().filter(|((_, workspace), _)| workspace == name);
            its.flat_map(|(_, days)| days.values()).sum::<u64>()
        };
        let largest = ["a", "b", "c", "d"].map(of).into_iter().max().unwrap();
        let most = 2 * largest + more;
        let (steps, _) = cycle_with_whole(&rows, &limits(most, 400, 50));
        apply(&mut rows.clone(), &steps);
        let scores = rows.iter().filter(|((table, _), _)| *table == 0);
        let may_go: u64 = scores.flat_map(|(_, days)| days.values()).sum();
        let n_spent = n_by_arms(&steps);
        prop_assert!(n_spent <= most);
        prop_assert!(2 * n_spent >= most.min(may_go), "{} of {}: {:?}", n_spent, most, rows);
    }
}

#[test]
fn nothing_is_spent_on_tables_that_wait_for_whole_partitions() {
    let mut rows: Rows = BTreeMap::new();
    for at in 0..10 {
        rows.insert((0, format!("w{at}")), [(1, 10)].into());
        rows.insert((1, format!("w{at}")), [(1, 100)].into());
    }
    let (steps, deferred) = cycle_with_whole(&rows, &limits(220, 400, 50));
    assert_eq!((n_by_arms(&steps), deferred.len()), (100, 1));
    assert!(names(&steps).iter().all(|table| *table == "scores"));
    // What the partitions waited for is gone: they go, and as much as the budget has room for.
    rows.retain(|(table, _), _| *table == 1);
    let (steps, _) = cycle_with_whole(&rows, &limits(220, 400, 50));
    assert_eq!(n_by_arms(&steps), 200);
    assert!(steps.iter().any(|step| step.method == Method::Partition));
}

#[test]
fn parents_wait_with_a_table_that_waits_though_there_is_room_for_them_without_it() {
    let of = |table: usize, name: &str, days: &[(i64, u64)]| {
        ((table, name.to_owned()), days.iter().copied().collect())
    };
    let mut rows: Rows = BTreeMap::from([
        of(0, "b", &[(1, 107)]),
        of(0, "c", &[(5, 52)]),
        of(0, "d", &[(1, 111)]),
        of(1, "a", &[(2, 47)]),
        of(2, "a", &[(2, 5)]),
    ]);
    let (steps, _) = cycle_with_whole(&rows, &limits(223, 400, 50));
    assert!(names(&steps).iter().all(|table| *table == "scores"));
    apply(&mut rows, &steps);
}

/// The steps, table by table, where an earlier delete still runs in the second table.
fn cycle_with_running(rows: &Rows, limits: &Limits) -> Vec<(String, u64)> {
    let (rules, directory) = (RuleSet::default(), Directory::default());
    let policies = resolve(&rules, &directory, &Retention::Unlimited);
    let terms = Terms::new(&policies, jiff::Timestamp::UNIX_EPOCH);
    let targets = targets();
    let of = |(at, target)| (target, inventory(target, at, rows));
    let snapshot = Snapshot {
        terms: &terms,
        revision: 1,
        tables: targets.iter().enumerate().map(of).collect(),
        unprobed: vec![Unprobed {
            shard: "s".into(),
            table: Some("spans".into()),
            workspace: None,
            reason: "an earlier delete is still running".into(),
            is_unreachable: false,
            is_running: true,
        }],
    };
    let plan = decide(snapshot, limits);
    let n_rows: u64 = rows.values().flat_map(BTreeMap::values).sum();
    assert_eq!(plan.n_due() + plan.n_deferred(), n_rows);
    let of_step = |step: &Step| (step.table.to_string(), step.n_due);
    plan.steps.iter().map(of_step).collect()
}

#[test]
fn a_table_in_which_a_delete_still_runs_takes_nothing_of_the_budget() {
    let mut rows: Rows = BTreeMap::new();
    for (table, name, day, n) in [
        (0, "late", 1, 10),
        (1, "late", 1, 90),
        (2, "late", 1, 10),
        (2, "young", 9, 30),
    ] {
        rows.insert((table, name.to_owned()), [(day, n)].into());
    }
    let of = |table: &str, n| (table.to_owned(), n);
    // What is before it goes, and behind it whoever has nothing in it.
    let steps = cycle_with_running(&rows, &limits(100, 9, 100));
    assert_eq!(steps, [of("scores", 10), of("traces", 30)]);
    // Where there is nothing else it is tried, and said why it cannot be.
    rows.retain(|(table, _), _| *table == 1);
    let steps = cycle_with_running(&rows, &limits(50, 9, 100));
    assert_eq!(
        steps.iter().map(|(table, _)| &**table).collect::<Vec<_>>(),
        ["spans"]
    );
}
