use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::plan::arm::tests::arm;
use crate::plan::{CensusRow, Projects};

const APART_MS: i64 = 100;

/// A row: its workspace, its partition, its age.
type Row = (u8, u8, i64);

/// The census of some rows, as a server would make it.
fn census(rows: &[Row]) -> Census {
    let mut census = Census {
        apart_ms: Some(APART_MS),
        ..Census::default()
    };
    let mut lines: BTreeMap<(u8, Option<u8>), Vec<i64>> = BTreeMap::new();
    for (workspace, partition, age_ms) in rows {
        let partition = (*age_ms < APART_MS).then_some(*partition);
        lines
            .entry((*workspace, partition))
            .or_default()
            .push(*age_ms);
    }
    for ((workspace, partition), ages) in lines {
        let name = workspace.to_string();
        if census.rows.last().is_none_or(|row| *row.workspace != *name) {
            census.rows.push(row(&name));
        }
        if let (Some(partition), Some(oldest), Some(newest)) =
            (partition, ages.iter().min(), ages.iter().max())
        {
            census.cells.push(CensusCell {
                row: census.rows.len() - 1,
                partition: partition.to_string().into(),
                n_rows: u64::try_from(ages.len()).unwrap(),
                oldest_ms: *oldest,
                newest_ms: *newest,
            });
        }
    }
    census
}

fn row(name: &str) -> CensusRow {
    CensusRow {
        workspace: name.into(),
        is_readable: true,
        n_rows: 0,
        n_undatable: 0,
        n_future: 0,
        oldest_ms: Some(0),
    }
}

fn bounds(from_ms: Option<i64>, below_ms: i64) -> Bounds {
    Bounds { below_ms, from_ms }
}

proptest! {
    #[test]
    fn what_is_told_is_what_a_count_finds(
        rows in prop::collection::vec((0_u8..5, 0_u8..3, 0_i64..130), 0..60),
        policies in prop::collection::btree_map(0_u8..6, (prop::option::of(0_i64..90), 1_i64..120), 0..6),
        left_out in 0_u8..4,
    ) {
        let census = census(&rows);
        let has_rows = |name: &u8| rows.iter().any(|(workspace, ..)| workspace == name);
        let arms: Vec<Arm> = policies
            .iter()
            .filter(|(name, _)| has_rows(name))
            .map(|(name, (from_ms, below_ms))| arm(&name.to_string(), bounds(*from_ms, *below_ms)))
            .collect();
        let left_out = left_out.to_string();
        let told = told(&census, arms.clone(), |partition| partition != left_out);
        prop_assert_eq!(told.arms.len() + told.rest.len(), arms.len());
        for arm in told.rest.iter().filter(|arm| arm.bounds.below_ms <= APART_MS) {
            let is_its = |cell: &&CensusCell| {
                census.rows[cell.row].workspace == arm.workspace && *cell.partition != *left_out
            };
            let touches = |cell: &CensusCell, at_ms: i64| (cell.oldest_ms..=cell.newest_ms).contains(&at_ms);
            let lies_across = |cell: &CensusCell| {
                touches(cell, arm.bounds.below_ms) || arm.bounds.from_ms.is_some_and(|ms| touches(cell, ms))
            };
            prop_assert!(census.cells.iter().filter(is_its).any(lies_across), "{arm:?} of {census:?}");
        }
        for (at, arm) in told.arms.iter().enumerate() {
            let mut expected: BTreeMap<String, Vec<i64>> = BTreeMap::new();
            for (workspace, partition, age_ms) in &rows {
                let is_due = *age_ms < arm.bounds.below_ms
                    && arm.bounds.from_ms.is_none_or(|from_ms| *age_ms >= from_ms);
                let partition = partition.to_string();
                if is_due && *workspace.to_string() == *arm.workspace && partition != left_out {
                    expected.entry(partition).or_default().push(*age_ms);
                }
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(id, ages)| {
                    (id, u64::try_from(ages.len()).unwrap(), ages.iter().min().copied(), ages.iter().max().copied())
                })
                .collect();
            let due = told.cells.iter().filter(|(place, _)| *place == at);
            let due: Vec<_> = due
                .map(|(_, cell)| cell.due_row(arm))
                .map(|row| (row.partition, row.n_due, row.ages.oldest_ms, row.ages.newest_ms))
                .collect();
            prop_assert_eq!(due, expected);
        }
    }
}

#[test]
fn one_cutoff_for_all_is_told_and_another_one_only_where_no_row_lies_across() {
    let census = census(&[(1, 0, 10), (1, 1, 50), (2, 0, 10), (2, 1, 50), (3, 1, 120)]);
    let arms = vec![
        arm("1", bounds(None, APART_MS)),
        arm("2", bounds(None, 30)),
        arm("3", bounds(None, APART_MS)),
    ];
    let found = told(&census, arms, |_| true);
    let due: Vec<(usize, u64)> = found
        .cells
        .iter()
        .map(|(at, cell)| (*at, cell.n_rows))
        .collect();
    assert_eq!(due, [(0, 1), (0, 1), (1, 1)]);
    assert!(found.rest.is_empty(), "{:?}", found.rest);

    let across = vec![arm("1", bounds(None, 10)), arm("2", bounds(Some(10), 90))];
    let found = told(&census, across.clone(), |_| true);
    assert_eq!(
        found.rest, across,
        "a row at a bound may be on either side of it"
    );
}

#[test]
fn nothing_is_told_of_projects_or_beyond_the_census_or_out_of_its_order() {
    let census = census(&[(1, 0, 10), (2, 0, 10)]);
    let only = Arm {
        projects: Projects::Only("p".into()),
        ..arm("1", bounds(None, 50))
    };
    let without_one = Arm {
        projects: Projects::Except(Arc::new(["p".into()])),
        ..arm("1", bounds(None, 50))
    };
    let later = arm("2", bounds(None, APART_MS + 1));
    let told_of = |arms: Vec<Arm>| {
        let n_arms = arms.len();
        let found = told(&census, arms, |_| true);
        assert_eq!(found.arms.len() + found.rest.len(), n_arms);
        found.arms.len()
    };
    assert_eq!(told_of(vec![only, without_one, later]), 0);
    let one = |name| arm(name, bounds(None, 50));
    assert_eq!(told_of(vec![one("1"), one("1"), one("2")]), 3);
    assert_eq!(told_of(vec![one("2"), one("1")]), 1);
    assert_eq!(told_of(vec![one("nobody"), one("1"), one("2")]), 0);

    let plain = Census {
        apart_ms: None,
        ..census.clone()
    };
    assert_eq!(told(&plain, vec![one("1")], |_| true).arms, []);
    let mut unreadable = census;
    unreadable.rows[0].is_readable = false;
    assert_eq!(told(&unreadable, vec![one("1")], |_| true).arms, []);
}
