//! The size of the next step: half as large after one that was too much, a little larger after one
//! that was nearly as large as it may be and was not.

/// A step is never made smaller than this: each statement costs something for every part.
const SMALLEST: u64 = 10_000;
/// In so many good steps a size grows from nothing to the largest.
const STEPS_TO_GROW: u64 = 10;

/// The rows of the next step of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepSize {
    rows: u64,
    largest: u64,
}

impl StepSize {
    /// As large as allowed, until a step was too much.
    pub(super) fn new(largest: u64) -> Self {
        let rows = largest;
        Self { rows, largest }
    }

    pub(super) fn rows(self) -> u64 {
        self.rows
    }

    /// A step that deleted so many rows ended.
    pub(super) fn learn(&mut self, n_rows: u64, was_too_much: bool) {
        if was_too_much {
            self.rows = (self.rows / 2).max(SMALLEST.min(self.largest));
        } else if n_rows >= self.rows / 2 {
            // A small one says nothing of what a large one would do.
            let more = (self.largest / STEPS_TO_GROW).max(1);
            self.rows = self.rows.saturating_add(more).min(self.largest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            largest in 1_u64..10_000_000,
            steps in proptest::collection::vec((0_u64..10_000_000, any::<bool>()), 0..50),
        ) {
            let mut size = StepSize::new(largest);
            for (n_rows, was_too_much) in steps {
                let before = size.rows();
                size.learn(n_rows, was_too_much);
                prop_assert!(size.rows() <= largest);
                prop_assert!(size.rows() >= SMALLEST.min(largest));
                if was_too_much {
                    prop_assert!(size.rows() <= before);
                } else {
                    prop_assert!(size.rows() >= before);
                }
            }
        }
    }

    #[test]
    fn it_halves_at_once_and_grows_by_tenths() {
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, true);
        size.learn(2_500_000, true);
        assert_eq!(size.rows(), 1_250_000);
        size.learn(1_250_000, false);
        assert_eq!(size.rows(), 1_750_000);
        for _ in 0..10 {
            size.learn(size.rows(), false);
        }
        assert_eq!(size.rows(), 5_000_000);
    }

    #[test]
    fn small_steps_that_go_well_do_not_make_a_large_one() {
        let mut size = StepSize::new(5_000_000);
        size.learn(5_000_000, true);
        for _ in 0..100 {
            size.learn(1_249_999, false);
        }
        assert_eq!(size.rows(), 2_500_000);
        size.learn(1_250_000, false);
        assert_eq!(size.rows(), 3_000_000);
    }
}
