use proptest::prelude::*;

use super::*;
use crate::plan::arm::tests::arm;

fn arms() -> impl Strategy<Value = Vec<Arm>> {
    let bounds = (prop::option::of(-9_i64..80), 1_i64..20);
    prop::collection::vec(bounds, 1..9).prop_map(|all| {
        let bounds = all.into_iter().map(|(from, length)| Bounds {
            below_ms: (from.unwrap_or(40) + length) * DAY_MS,
            from_ms: from.map(|from| from * DAY_MS),
        });
        let named = (0..).zip(bounds);
        named
            .map(|(at, bounds)| arm(&format!("w{at}"), bounds))
            .collect()
    })
}

/// How many arms of a workspace have a row of this age.
fn n_of(arms: &[Arm], workspace: &str, ms: i64) -> usize {
    let of_row = |arm: &&Arm| *arm.workspace == *workspace && arm.bounds.contains(ms);
    arms.iter().filter(of_row).count()
}

proptest! {
    #[test]
    fn older_and_younger_make_the_whole_and_each_cut_is_less(
        arms in arms(), oldest in -20_i64..60, unit_ms in prop::sample::select(vec![1, DAY_MS]),
    ) {
        let mut slice = Slice::all(arms.clone());
        prop_assert_eq!(&slice.older(), &arms);
        prop_assert_eq!(slice.end_ms(), None);
        let oldest_ms = oldest * DAY_MS;
        let mut n_cuts = 0;
        while let Some(shorter) = slice.shorter(|_| Some(oldest_ms), unit_ms) {
            n_cuts += 1;
            prop_assert!(n_cuts < 40 && shorter != slice);
            prop_assert!(!shorter.older().is_empty(), "what counts nothing leaves all");
            prop_assert!(n_cuts == 1 || shorter.below_ms < slice.below_ms);
            prop_assert!(shorter.below_ms == i64::MAX || shorter.below_ms % unit_ms == 0);
            slice = shorter;
            let parts = [slice.older(), slice.younger()].concat();
            for whole in &arms {
                let noons = (oldest.max(-10)..100).map(|day| day * DAY_MS + 7);
                for ms in noons.chain([slice.below_ms, oldest_ms]) {
                    let is_in = usize::from(whole.bounds.contains(ms) && ms >= oldest_ms);
                    let n_of = |arms: &[Arm]| n_of(arms, &whole.workspace, ms);
                    prop_assert!(ms < oldest_ms || n_of(&parts) == is_in);
                    let is_older = usize::from(is_in == 1 && ms < slice.below_ms);
                    prop_assert!(ms < oldest_ms || n_of(&slice.older()) == is_older);
                }
                let mut of_whole = parts.iter().filter(|arm| arm.workspace == whole.workspace);
                prop_assert!(of_whole.all(|arm| arm.cutoff_ms() == whole.cutoff_ms()));
            }
        }
    }

    #[test]
    fn halves_have_all_arms_and_each_counts_something(arms in arms(), below in -10_i64..90) {
        let slice = Slice::all(arms).up_to(below * DAY_MS);
        let n_counted = slice.older().len();
        let Some([first, second]) = slice.halves() else {
            prop_assert!(n_counted < 2);
            return Ok(());
        };
        prop_assert!(!first.older().is_empty() && !second.older().is_empty());
        prop_assert_eq!(first.older().len() + second.older().len(), n_counted);
        let by_name = |mut arms: Vec<Arm>| {
            arms.sort_by_key(|arm| arm.workspace.clone());
            arms
        };
        let both = [first.into_arms(), second.into_arms()].concat();
        prop_assert_eq!(by_name(both), by_name(slice.into_arms()));
    }
}

#[test]
fn of_what_is_older_than_all_time_there_is_nothing() {
    let bounds = Bounds {
        below_ms: 9,
        from_ms: None,
    };
    let slice = Slice::all(vec![arm("w", bounds)]).up_to(i64::MIN);
    assert_eq!(slice.older(), []);
    assert_eq!(slice.younger().len(), 1);
}
