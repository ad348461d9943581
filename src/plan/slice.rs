//! Slices: what is too much to be counted at once, begun from its oldest end.
//!
//! Invariant: what a slice counts and what it leaves are the intervals of its arms, but for the time before
//! the oldest row.

use super::Arm;
use crate::cutoff::Bounds;

const DAY_MS: i64 = 86_400_000;
/// Nothing shorter is cut.
const SHORTEST_MS: i64 = 1_000;

/// Arms of one statement, and the instants between which they are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    arms: Vec<Arm>,
    /// No row is older; deleted ones may be, and they would be read.
    from_ms: Option<i64>,
    below_ms: i64,
}

impl Slice {
    /// All of some arms.
    pub(crate) fn all(arms: Vec<Arm>) -> Self {
        Self {
            arms,
            from_ms: None,
            below_ms: i64::MAX,
        }
    }

    /// What it counts.
    pub(crate) fn older(&self) -> Vec<Arm> {
        self.arms
            .iter()
            .filter_map(|arm| self.counted(arm))
            .collect()
    }

    /// What it leaves.
    pub(crate) fn younger(&self) -> Vec<Arm> {
        let from_ms = self.below_ms;
        let younger = self.arms.iter().map(|arm| arm.not_older_than(from_ms));
        younger.flatten().collect()
    }

    /// All of its arms, counted or not.
    pub(crate) fn into_arms(self) -> Vec<Arm> {
        self.arms
    }

    /// Up to an instant that others were counted to, if that is earlier.
    #[must_use]
    pub(crate) fn up_to(self, below_ms: i64) -> Self {
        Self {
            below_ms: self.below_ms.min(below_ms),
            ..self
        }
    }

    /// Where it ends, if it leaves anything.
    pub(crate) fn end_ms(&self) -> Option<i64> {
        (!self.younger().is_empty()).then_some(self.below_ms)
    }

    /// What is left of it after a shorter one.
    pub(crate) fn after(&self, shorter: &Self) -> Self {
        Self {
            arms: shorter.younger(),
            from_ms: None,
            below_ms: self.below_ms,
        }
    }

    /// The same for the first half of what it counts, and for the second; nothing for a single arm.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let is_counted = |arm: &Arm| self.counted(arm).is_some();
        let (mut first, rest): (Vec<Arm>, Vec<Arm>) =
            self.arms.iter().cloned().partition(is_counted);
        if first.len() < 2 {
            return None;
        }
        let second = first.split_off(first.len() / 2);
        first.extend(rest);
        Some([first, second].map(|arms| Self { arms, ..*self }))
    }

    /// The same from the oldest row on that it can have; and if that is what it is, up to the middle
    /// between that row and its end. Nothing where that is too short a time to be cut. How old the
    /// oldest row of a workspace is, is asked.
    pub(crate) fn shorter(
        &self,
        oldest_ms: impl Fn(&str) -> Option<i64>,
        unit_ms: i64,
    ) -> Option<Self> {
        let counted = self.older();
        let begin_ms = |arm: &Arm| oldest_ms(&arm.workspace).max(arm.bounds.from_ms);
        let from_ms = counted.iter().filter_map(begin_ms).min()?;
        // Who asked may have rounded it up.
        let unit_ms = unit_ms.max(SHORTEST_MS);
        let from_ms = from_ms.saturating_sub(1).div_euclid(unit_ms);
        let from_ms = from_ms.saturating_mul(unit_ms);
        let shorter = Self {
            arms: self.arms.clone(),
            from_ms: Some(from_ms),
            below_ms: self.below_ms,
        };
        if self.from_ms.is_none() && shorter.older() != counted {
            return Some(shorter);
        }
        let below_ms = counted.iter().map(|arm| arm.bounds.below_ms).max()?;
        Some(Self {
            below_ms: middle_ms(from_ms, below_ms, unit_ms)?,
            ..shorter
        })
    }

    fn counted(&self, arm: &Arm) -> Option<Arm> {
        let between = Bounds {
            below_ms: self.below_ms,
            from_ms: self.from_ms,
        };
        // No row is older than all time.
        (self.below_ms > i64::MIN)
            .then(|| arm.within(between))
            .flatten()
    }
}

/// The middle of a stretch of time: the begin of a day, or of a shorter unit where it is less than two.
fn middle_ms(from_ms: i64, below_ms: i64, unit_ms: i64) -> Option<i64> {
    let half_ms = below_ms.saturating_sub(from_ms) / 2;
    let align_ms = if half_ms >= DAY_MS { DAY_MS } else { unit_ms };
    let middle_ms = from_ms.saturating_add(half_ms).div_euclid(align_ms) * align_ms;
    (from_ms < middle_ms && middle_ms < below_ms).then_some(middle_ms)
}

impl Arm {
    /// The part of it from an instant on, if there is one.
    fn not_older_than(&self, from_ms: i64) -> Option<Self> {
        let younger = Bounds {
            below_ms: i64::MAX,
            from_ms: Some(from_ms),
        };
        self.within(younger)
    }

    /// The part of it in an interval. How overdue its rows are does not change by that.
    fn within(&self, part: Bounds) -> Option<Self> {
        let bounds = self.bounds.intersect(part)?;
        if bounds == self.bounds {
            return Some(self.clone());
        }
        let mut part = Self {
            bounds,
            cut_from: Some(self.cut_from.unwrap_or(self.bounds)),
            ..self.clone()
        };
        part.forget_counts();
        Some(part)
    }
}

#[cfg(test)]
mod tests {
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
}
