//! Pieces against rows that are looked at one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::arm::tests::arm;

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap()
}

/// Counts rows by stretches of ten: by single instants where those hold more than the limit, as
/// whoever counts does it.
fn histogram(arm: &Arm, rows: &[(i64, u8)], limit: u64) -> Histogram {
    let mut tens: BTreeMap<i64, Vec<(i64, u8)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| arm.bounds.contains(row.0)) {
        let ten = tens.entry(row.0.div_euclid(10) * 10).or_default();
        ten.push(*row);
    }
    let count = |from_ms, partition: u8, rows: &[(i64, u8)]| {
        let of_partition = rows.iter().filter(|row| row.1 == partition);
        let ages: Vec<i64> = of_partition.map(|row| row.0).collect();
        Bucket {
            partition: partition.to_string().into(),
            from_ms,
            n_due: number(ages.len()),
            n_kept: 1,
            ages: Ages {
                oldest_ms: ages.iter().min().copied(),
                newest_ms: ages.iter().max().copied(),
            },
        }
    };
    let mut buckets = Vec::new();
    for (ten, rows) in tens {
        if number(rows.len()) <= limit {
            buckets.extend([0, 1].map(|partition| count(ten, partition, &rows)));
            continue;
        }
        for one in ten..ten + 10 {
            let rows: Vec<_> = rows.iter().copied().filter(|row| row.0 == one).collect();
            buckets.extend([0, 1].map(|partition| count(one, partition, &rows)));
        }
    }
    Histogram {
        arm: arm.clone(),
        buckets,
    }
}

proptest! {
    #[test]
    fn pieces_cover_the_interval_exactly_and_are_within_the_limit(
        mut rows in prop::collection::vec((-30_i64..130, 0_u8..2), 0..200),
        from in prop::option::of(-20_i64..60),
        hold in prop::option::of(60_i64..90),
        limit in 1_u64..40,
    ) {
        rows.sort_unstable();
        // A hold in the middle made two arms of one policy; another workspace has the same rows.
        let mut bounds = vec![Bounds { below_ms: hold.unwrap_or(100), from_ms: from }];
        bounds.extend(hold.map(|hold| Bounds { below_ms: 100, from_ms: Some(hold + 5) }));
        let count = |bounds: Bounds| number(rows.iter().filter(|row| bounds.contains(row.0)).count());
        let whole: Vec<Arm> = (0..).zip(&bounds).map(|(piece, bounds)| Arm {
            n_due: count(*bounds),
            piece,
            ..arm("w", *bounds)
        }).collect();
        let histograms: Vec<Histogram> =
            whole.iter().map(|arm| histogram(arm, &rows, limit)).collect();
        let other = Arm { n_due: limit, ..arm("other", bounds[0]) };
        let arms = whole.iter().cloned().chain([other.clone()]).collect();
        let split = split(arms, &histograms, &[], limit);
        let mut pieces = split.arms.clone();
        prop_assert_eq!(pieces.pop(), Some(other));

        for ms in -40..140 {
            let n_of = |arms: &[Arm]| arms.iter().filter(|arm| arm.bounds.contains(ms)).count();
            prop_assert_eq!(n_of(&pieces), n_of(&whole), "{} in {:#?}", ms, pieces);
        }
        for (place, piece) in (0..).zip(&pieces) {
            prop_assert_eq!(piece.n_due, count(piece.bounds), "{:?}", piece);
            prop_assert_eq!(piece.piece, place, "in the order of time");
            let mut ages: Vec<i64> =
                rows.iter().map(|row| row.0).filter(|ms| piece.bounds.contains(*ms)).collect();
            ages.dedup();
            let is_large = piece.n_due > limit;
            prop_assert!(!is_large || ages.len() == 1, "{:?}", piece);
            prop_assert_eq!(split.note(std::slice::from_ref(piece)).is_some(), is_large);
            let end = whole.iter().find(|arm| arm.bounds.intersect(piece.bounds).is_some());
            prop_assert_eq!(piece.cutoff_ms(), end.unwrap().bounds.below_ms);
        }
        // Not more pieces than necessary: any two neighbours are more than one step.
        for pair in pieces.windows(2) {
            let is_one = pair[0].bounds.below_ms == pair[1].bounds.from_ms.unwrap();
            prop_assert!(!is_one || pair[0].n_due + pair[1].n_due > limit, "{:#?}", pair);
        }
    }

    #[test]
    fn of_one_partition_only_its_rows_count(
        mut rows in prop::collection::vec((0_i64..100, 0_u8..2), 0..200), limit in 1_u64..20,
    ) {
        rows.sort_unstable();
        let whole = arm("w", Bounds { below_ms: 100, from_ms: None });
        let all = histogram(&whole, &rows, limit);
        let in_one: Vec<(i64, u8)> = rows.iter().copied().filter(|row| row.1 == 1).collect();
        let one = Arm { n_due: number(in_one.len()), ..whole };
        let split = split(vec![one.clone()], &[all], &["1".into()], limit);
        let n_due: u64 = split.arms.iter().map(|arm| arm.n_due).sum();
        prop_assert_eq!(n_due, one.n_due);
        for piece in &split.arms {
            let n_rows = number(in_one.iter().filter(|row| piece.bounds.contains(row.0)).count());
            prop_assert_eq!(piece.n_due, n_rows);
        }
    }
}
