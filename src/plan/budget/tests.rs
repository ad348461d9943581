//! The budget against a small town whose tables are emptied cycle by cycle.

mod spent;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::cutoff::Bounds;
use crate::plan::candidate::tests::target;
use crate::plan::{Ages, Bucket, Histogram, Method, Partition, TableInventory, steps::portions};
use crate::target::{AgeKind, CheckedTarget, MethodChoice, Period};

const DAY_MS: i64 = 86_400_000;
/// Days count from early in 1971: partitions of 1970 never go as a whole.
const FIRST_MS: i64 = 400 * DAY_MS;
/// Everything below it is expired.
const CUTOFF: i64 = FIRST_MS + 100 * DAY_MS;

fn ms(day: i64) -> i64 {
    FIRST_MS + day * DAY_MS
}

/// Rows by table, workspace and day.
type Rows = BTreeMap<(usize, String), BTreeMap<i64, u64>>;

fn town() -> impl Strategy<Value = Rows> {
    let days = prop::collection::btree_map(1_i64..100, 1_u64..30, 0..8);
    let key = (0_usize..3, prop::sample::select(vec!["a", "b", "c", "d"]));
    let key = key.prop_map(|(table, name)| (table, name.to_owned()));
    prop::collection::btree_map(key, days, 0..9)
}

fn limits(rows: u64, statements: usize, rows_per_step: u64) -> Limits {
    Limits {
        rows_per_step,
        workspaces_per_statement: 2,
        budget: Budget {
            rows,
            statements,
            ..Budget::default()
        },
        ..Limits::default()
    }
}

fn targets() -> [CheckedTarget; 3] {
    ["scores", "spans", "traces"].map(|table| CheckedTarget {
        table: table.into(),
        ..target(AgeKind::UuidText, false)
    })
}

fn arm(workspace: &str, days: &BTreeMap<i64, u64>) -> Arm {
    let oldest = days.keys().next().copied().unwrap_or(100);
    let bounds = Bounds {
        below_ms: CUTOFF,
        from_ms: None,
    };
    Arm {
        lag_s: u32::try_from((100 - oldest) * DAY_MS / 1_000).unwrap(),
        n_due: days.values().sum(),
        ..crate::plan::arm::tests::arm(workspace, bounds)
    }
}

fn inventory(table: &CheckedTarget, at: usize, rows: &Rows) -> TableInventory {
    let of_table = || {
        rows.iter()
            .filter(|((table, _), days)| *table == at && !days.is_empty())
    };
    let arms: Vec<Arm> = of_table()
        .map(|((_, name), days)| arm(name, days))
        .collect();
    let histogram = |((_, name), days): (&(usize, String), &BTreeMap<i64, u64>)| {
        let bucket = |(day, n_due): (&i64, &u64)| Bucket {
            partition: "".into(),
            from_ms: ms(*day),
            n_due: *n_due,
            n_kept: 0,
            ages: Ages {
                oldest_ms: Some(ms(*day)),
                newest_ms: Some(ms(*day)),
            },
        };
        Histogram {
            arm: arm(name, days),
            buckets: days.iter().map(bucket).collect(),
        }
    };
    TableInventory {
        shard: "s".into(),
        table: table.table.as_str().into(),
        histograms: of_table().map(histogram).collect(),
        arms,
        ..TableInventory::default()
    }
}

fn cycle(rows: &Rows, limits: &Limits) -> (Vec<Step>, Vec<Deferred>) {
    let targets = targets();
    let tables = targets
        .iter()
        .enumerate()
        .flat_map(|(at, target)| portions(target, &mut inventory(target, at, rows), limits));
    steps_within(tables.collect(), limits)
}

/// Does the steps; every child of a parent that goes must be gone by then.
fn apply(rows: &mut Rows, steps: &[Step]) {
    let names = targets().map(|target| target.table);
    for step in steps {
        let at = names.iter().position(|name| **name == *step.table).unwrap();
        for arm in &step.arms {
            let is_gone = |day: &i64| arm.bounds.contains(ms(*day));
            for (children, name) in names.iter().enumerate().take(at) {
                let left = rows.get(&(children, arm.workspace.to_string()));
                let left = left.into_iter().flatten().find(|(day, _)| is_gone(day));
                assert_eq!(left, None, "of {name} below {arm:#?}");
            }
            let days = rows.get_mut(&(at, arm.workspace.to_string())).unwrap();
            let n_gone: u64 = days
                .extract_if(.., |day, _| is_gone(day))
                .map(|(_, n)| n)
                .sum();
            assert_eq!(n_gone, arm.n_due);
        }
    }
}

/// The workspace with the oldest row.
fn most_overdue(rows: &Rows) -> Option<&str> {
    let oldest = rows.iter().filter_map(|((_, name), days)| {
        let (day, _) = days.first_key_value()?;
        Some((day, &**name))
    });
    oldest.min().map(|(_, name)| name)
}

/// The most overdue goes with something; of everybody else all rows in all tables go, or none.
fn whole_but_for_the_most_overdue(rows: &Rows, steps: &[Step]) -> Result<(), TestCaseError> {
    let first = most_overdue(rows);
    let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
    for arm in steps.iter().flat_map(|step| &step.arms) {
        *gone.entry(&*arm.workspace).or_default() += arm.n_due;
    }
    prop_assert!(
        first.is_none_or(|first| gone.contains_key(first)),
        "{:?} waits",
        first
    );
    for (name, n_gone) in gone {
        let of_name = rows.iter().filter(|((_, found), _)| found == name);
        let n_due: u64 = of_name.flat_map(|(_, days)| days.values()).sum();
        prop_assert!(
            Some(name) == first || n_gone == n_due,
            "{} of {}",
            n_gone,
            name
        );
    }
    Ok(())
}

fn total(rows: &Rows) -> u64 {
    rows.values().flat_map(BTreeMap::values).sum()
}

proptest! {
    #[test]
    fn no_parent_goes_before_its_children_and_the_budget_is_kept(
        mut rows in town(), most in 1_u64..400, statements in 1_usize..9, per_step in 1_u64..60,
    ) {
        let limits = limits(most, statements, per_step);
        let mut n_cycles = 0;
        while total(&rows) > 0 {
            let before = total(&rows);
            let (steps, deferred) = cycle(&rows, &limits);
            whole_but_for_the_most_overdue(&rows, &steps)?;
            let n_due: u64 = steps.iter().map(|step| step.n_due).sum();
            let n_deferred: u64 = deferred.iter().map(|table| table.n_rows).sum();
            prop_assert_eq!(n_due + n_deferred, before);
            prop_assert!(steps.len() <= statements, "{} statements", steps.len());
            // One piece is always allowed, and another one where that is of a parent.
            let largest = steps.iter().map(|step| step.n_due).max().unwrap_or(0);
            prop_assert!(n_due <= most + largest, "{} of {}", n_due, most);
            prop_assert!(n_due > 0, "nothing goes on");
            let numbers: Vec<u32> = steps.iter().map(|step| step.number).collect();
            prop_assert_eq!(numbers, (1..).take(steps.len()).collect::<Vec<u32>>());
            apply(&mut rows, &steps);
            n_cycles += 1;
        }
        let (steps, deferred) = cycle(&rows, &limits);
        prop_assert!(steps.is_empty() && deferred.is_empty() && n_cycles < 400);
    }

    /// One has many times what a cycle takes, and may be more overdue than anybody.
    #[test]
    fn whoever_is_small_does_not_wait_for_one_that_is_too_large(
        large in 10_i64..60, day in 0_i64..40,
        small in prop::collection::btree_map("[b-z]", (1_i64..100, 1_u64..6), 0..25),
    ) {
        // A cycle takes a hundred rows, and pieces of ten.
        let limits = limits(100, 400, 10);
        let days = (day..day + large).map(|day| (day, 10));
        let mut rows: Rows = [((1, "a".to_owned()), days.collect())].into();
        for (name, (day, n_rows)) in small {
            rows.insert((1, name), BTreeMap::from([(day, n_rows)]));
        }
        let n_large = u64::try_from(large).unwrap() * 10;
        let n_small = total(&rows) - n_large;
        let (mut n_cycles, mut n_left) = (0, n_small);
        while total(&rows) > 0 {
            let (steps, _) = cycle(&rows, &limits);
            whole_but_for_the_most_overdue(&rows, &steps)?;
            apply(&mut rows, &steps);
            n_cycles += 1;
            let of_large: u64 = rows[&(1, "a".to_owned())].values().sum();
            let n_gone = n_left - (total(&rows) - of_large);
            // Of their quarter so much is left over as the next one would not fit in. What is left of
            // the large one may fill a cycle, once.
            let is_theirs = n_gone >= n_left.min(25 - 4);
            prop_assert!(is_theirs || of_large == 0, "{} of {}", n_gone, n_left);
            n_left -= n_gone;
        }
        // And it does not wait for them: three quarters are its own, in whole pieces.
        prop_assert!(n_cycles <= n_large / 70 + n_small / 21 + 2, "{} cycles", n_cycles);
    }

    #[test]
    fn whoever_has_something_due_is_done_after_a_bounded_number_of_cycles(
        backlog in prop::collection::vec(0_u64..300, 5), share in 1_u64..15,
    ) {
        // Each day brings less than a cycle takes; a cycle a day.
        let limits = limits(100, 400, 50);
        let names = ["a", "b", "c", "d", "e"];
        let mut rows: Rows = BTreeMap::new();
        for (name, n_rows) in names.into_iter().zip(&backlog) {
            if *n_rows > 0 {
                let days = (0..10).map(|day| (day, n_rows / 10 + 1)).collect();
                rows.insert((1, name.to_owned()), days);
            }
        }
        let most_days = 20 + 2 * i64::try_from(total(&rows) / (100 - 5 * share) + 1).unwrap();
        for today in 0..most_days {
            let (steps, _) = cycle(&rows, &limits);
            apply(&mut rows, &steps);
            for name in names {
                let days = rows.entry((1, name.to_owned())).or_default();
                *days.entry(today.min(99)).or_default() += share;
            }
        }
        // What is left came lately: nobody's rows of the beginning are there.
        let backlog = rows.values().flat_map(BTreeMap::keys).filter(|day| **day < 10);
        prop_assert_eq!(backlog.count(), 0, "after {} days: {:?}", most_days, rows);
    }
}

#[test]
fn within_the_budget_nothing_waits_and_the_fewest_statements_are_sent() {
    let days: BTreeMap<i64, u64> = [(1, 10), (2, 10)].into();
    let rows: Rows = [
        ((1, "a".to_owned()), days.clone()),
        ((2, "a".to_owned()), days),
    ]
    .into();
    let (steps, deferred) = cycle(&rows, &limits(40, 2, 20));
    assert_eq!((steps.len(), deferred), (2, vec![]));
    // One row less, and the parents wait behind what is left of the children, or with them.
    let (steps, deferred) = cycle(&rows, &limits(39, 2, 20));
    let tables: Vec<&str> = steps.iter().map(|step| &*step.table).collect();
    assert_eq!(tables, ["spans"]);
    let expected = Deferred {
        shard: "s".into(),
        table: "traces".into(),
        n_rows: 20,
        n_workspaces: 1,
        n_uncounted: None,
    };
    assert_eq!(deferred, [expected]);
}

#[test]
fn the_most_overdue_goes_first_and_whoever_fits_with_it() {
    let one = |day: i64, n: u64| BTreeMap::from([(day, n)]);
    let rows: Rows = [("late", 1, 50), ("middle", 5, 40), ("young", 9, 20)]
        .into_iter()
        .map(|(name, day, n)| ((1, name.to_owned()), one(day, n)))
        .collect();
    let (steps, deferred) = cycle(&rows, &limits(95, 9, 100));
    let inside: Vec<&str> = steps
        .iter()
        .flat_map(|step| &step.arms)
        .map(|arm| &*arm.workspace)
        .collect();
    assert_eq!(inside, ["late", "middle"]);
    assert_eq!((deferred[0].n_rows, deferred[0].n_workspaces), (20, 1));
}

/// Its oldest rows are in a table whose turn does not come; what is left of it in the first one is
/// younger than the rows of everybody else.
#[test]
fn the_most_overdue_stays_first_when_its_oldest_pieces_wait() {
    let mut rows: Rows = [((0, "other".to_owned()), [(2, 22)].into())].into();
    rows.insert((0, "late".to_owned()), [(6, 14), (7, 17)].into());
    rows.insert((1, "late".to_owned()), [(1, 60)].into());
    let (steps, _) = cycle(&rows, &limits(76, 1, 1));
    let gone = steps.iter().flat_map(|step| &step.arms);
    let gone: Vec<(&str, u64)> = gone.map(|arm| (&*arm.workspace, arm.n_due)).collect();
    assert_eq!(gone, [("late", 14)]);
}

#[test]
fn partitions_of_parents_wait_while_older_children_do() {
    let partition = |value: &str| Partition {
        id: value.into(),
        value: value.into(),
        n_parts: 1,
        n_rows: 10,
        n_due: 10,
        goes_whole: true,
        ..Partition::default()
    };
    let [_, spans, mut traces] = targets();
    traces.ways.method = MethodChoice::Auto;
    traces.ways.is_partitioned = true;
    traces.ways.period = Some(Period::Day);
    let rows: Rows = [("a", 3), ("b", 4)]
        .map(|(name, day)| ((1, name.to_owned()), BTreeMap::from([(day, 10)])))
        .into();
    // The children of 9 February wait; a day is a day longer on either side, by its zone.
    for (value, goes) in [("19710206", true), ("19710208", false)] {
        let parents = || TableInventory {
            shard: "s".into(),
            table: "traces".into(),
            partitions: vec![partition(value)],
            expired: Some(Bounds {
                below_ms: CUTOFF,
                from_ms: None,
            }),
            ..TableInventory::default()
        };
        let limits = limits(10, 9, 10);
        let mut all = portions(&spans, &mut inventory(&spans, 1, &rows), &limits);
        all.extend(portions(&traces, &mut parents(), &limits));
        let (steps, deferred) = steps_within(all, &limits);
        let is_dropped = steps.iter().any(|step| step.method == Method::Partition);
        assert_eq!(is_dropped, goes, "{value}: {steps:#?}");
        let n_deferred: u64 = deferred.iter().map(|table| table.n_rows).sum();
        assert_eq!(n_deferred, if goes { 10 } else { 20 });
    }
}

/// A workspace without children is the most overdue; its table waits for the children of another one,
/// which has more rows than a cycle takes.
#[test]
fn whoever_waits_for_partitions_does_not_stop_the_children_that_these_wait_for() {
    let [_, spans, mut traces] = targets();
    traces.ways.is_partitioned = true;
    traces.ways.period = Some(Period::Day);
    let mut rows: Rows = [((2, "a".to_owned()), BTreeMap::from([(1, 10)]))].into();
    rows.insert((1, "b".to_owned()), BTreeMap::from([(2, 10), (3, 10)]));
    let limits = limits(10, 9, 10);
    let mut n_cycles = 0;
    while rows.values().any(|days| !days.is_empty()) {
        let mut parents = inventory(&traces, 2, &rows);
        parents.expired = Some(Bounds {
            below_ms: CUTOFF,
            from_ms: None,
        });
        parents.partitions = vec![Partition {
            id: "19710210".into(),
            value: "19710210".into(),
            n_due: 10,
            goes_whole: true,
            ..Partition::default()
        }];
        let mut all = portions(&spans, &mut inventory(&spans, 1, &rows), &limits);
        all.extend(portions(&traces, &mut parents, &limits));
        let (steps, _) = steps_within(all, &limits);
        assert!(!steps.is_empty());
        apply(&mut rows, &steps);
        n_cycles += 1;
    }
    assert_eq!(n_cycles, 3);
}
