//! The size of the next step: half as large after one that was too much, a little larger after one
//! that was nearly as large as it may be and was not.
//!
//! What takes long is not always what has many rows: a statement costs something for every part and
//! every replica. So a step is not made smaller for its time again and again where that helps nobody.

use std::time::Duration;

/// A step is never made smaller than this: each statement costs something for every part.
const SMALLEST: u64 = 10_000;
/// In so many good steps a size grows from nothing to the largest.
const STEPS_TO_GROW: u64 = 10;

/// The rows of the next step of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepSize {
    rows: u64,
    largest: u64,
    /// How long the step took that was too slow last, and made the next ones smaller.
    slow: Option<Duration>,
    /// Whether a step of this process says more than those of the record.
    has_learned: bool,
}

impl StepSize {
    /// As large as allowed, until a step was too much.
    pub(super) fn new(largest: u64) -> Self {
        Self {
            rows: largest,
            largest,
            slow: None,
            has_learned: false,
        }
    }

    pub(super) fn rows(self) -> u64 {
        self.rows
    }

    /// A step that deleted so many rows ended. It took so long, if that was too long, and the server
    /// was strained by it or not.
    pub(super) fn learn(&mut self, n_rows: u64, too_long: Option<Duration>, was_strained: bool) {
        self.has_learned = true;
        // A small one says nothing of what a large one would do.
        let is_large = n_rows >= self.rows / 2;
        let of_rows = too_long.filter(|took| is_large && self.is_of_rows(*took));
        if of_rows.is_some() {
            self.slow = of_rows;
            // Half of what took so long, so that the next one says whether that helps.
            self.halve(self.rows.min(n_rows));
        } else if was_strained {
            self.halve(self.rows);
        } else if is_large && too_long.is_none() {
            self.slow = None;
            let more = (self.largest / STEPS_TO_GROW).max(1);
            self.rows = self.rows.saturating_add(more).min(self.largest);
        }
    }

    /// Begins with what the steps of the record made of another one. What the server had to do
    /// beside them nobody knows, so they are trusted with half of the rows at most; and not at all
    /// where a step of this process says more.
    pub(super) fn recall(&mut self, recorded: Self) {
        if !self.has_learned {
            self.rows = recorded.rows.max(self.largest / 2);
        }
    }

    /// Whether a step that took this long would be faster with fewer rows: the last one that was made
    /// smaller for its time was, clearly.
    fn is_of_rows(self, took: Duration) -> bool {
        self.slow.is_none_or(|before| took < before / 4 * 3)
    }

    fn halve(&mut self, rows: u64) {
        self.rows = (rows / 2).max(SMALLEST.min(self.largest));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_mins(n)
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            largest in 1_u64..10_000_000,
            steps in proptest::collection::vec(
                (0_u64..10_000_000, proptest::option::of(0_u64..100), any::<bool>()),
                0..50,
            ),
        ) {
            let mut size = StepSize::new(largest);
            for (n_rows, too_long, was_strained) in steps {
                let before = size.rows();
                size.learn(n_rows, too_long.map(minutes), was_strained);
                prop_assert!(size.rows() <= largest);
                prop_assert!(size.rows() >= SMALLEST.min(largest));
                if was_strained || too_long.is_some() {
                    prop_assert!(size.rows() <= before);
                } else {
                    prop_assert!(size.rows() >= before);
                }
                let mut recalled = StepSize::new(largest);
                recalled.recall(size);
                prop_assert!(recalled.rows() >= size.rows());
                prop_assert!(recalled.rows() <= largest);
            }
        }
    }

    #[test]
    fn it_halves_at_once_and_grows_by_tenths() {
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, Some(minutes(20)), false);
        size.learn(2_500_000, Some(minutes(10)), false);
        assert_eq!(size.rows(), 1_250_000);
        size.learn(1_250_000, None, false);
        assert_eq!(size.rows(), 1_750_000);
        for _ in 0..10 {
            size.learn(size.rows(), None, false);
        }
        assert_eq!(size.rows(), 5_000_000);
    }

    #[test]
    fn small_steps_that_go_well_do_not_make_a_large_one() {
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, None, true);
        for _ in 0..100 {
            size.learn(1_249_999, None, false);
        }
        assert_eq!(size.rows(), 2_500_000);
        size.learn(1_250_000, None, false);
        assert_eq!(size.rows(), 3_000_000);
    }

    #[test]
    fn a_small_step_that_is_slow_makes_none_smaller() {
        let mut size = StepSize::new(5_000_000);
        size.learn(2_499_999, Some(minutes(20)), false);
        assert_eq!(size.rows(), 5_000_000);
        size.learn(2_499_999, Some(minutes(20)), true);
        assert_eq!(size.rows(), 2_500_000, "but for what it does to the server");
    }

    #[test]
    fn where_fewer_rows_take_as_long_a_step_stays_as_large() {
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, Some(minutes(20)), false);
        for _ in 0..100 {
            size.learn(2_500_000, Some(minutes(15)), false);
        }
        assert_eq!(size.rows(), 2_500_000);
        size.learn(2_500_000, Some(minutes(15)), true);
        assert_eq!(size.rows(), 1_250_000);
        // A while later it is the rows.
        size.learn(1_250_000, None, false);
        size.learn(1_750_000, Some(minutes(15)), false);
        assert_eq!(size.rows(), 875_000);
    }

    #[test]
    fn a_step_of_half_of_the_rows_allowed_is_followed_by_one_of_a_quarter() {
        let mut size = StepSize::new(5_000_000);
        size.learn(2_500_000, Some(minutes(20)), false);
        assert_eq!(size.rows(), 1_250_000);
        size.learn(1_250_000, Some(minutes(10)), false);
        assert_eq!(size.rows(), 625_000);
    }

    #[test]
    fn the_record_halves_once_and_not_where_this_process_knows_better() {
        let mut recorded = StepSize::new(5_000_000);
        recorded.learn(5_000_000, Some(minutes(40)), false);
        recorded.learn(2_500_000, Some(minutes(20)), false);
        assert_eq!(recorded.rows(), 1_250_000);
        let mut size = StepSize::new(5_000_000);
        size.recall(recorded);
        assert_eq!(size.rows(), 2_500_000);
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, None, false);
        size.recall(recorded);
        assert_eq!(size.rows(), 5_000_000);
    }
}
