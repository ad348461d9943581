//! The size of the next step: half as large after one that was too much, a little larger after one
//! that was not.

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

    /// A step ended.
    pub(super) fn learn(&mut self, was_too_much: bool) {
        self.rows = if was_too_much {
            (self.rows / 2).max(SMALLEST.min(self.largest))
        } else {
            let more = (self.largest / STEPS_TO_GROW).max(1);
            self.rows.saturating_add(more).min(self.largest)
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            largest in 1_u64..10_000_000, steps in proptest::collection::vec(any::<bool>(), 0..50),
        ) {
            let mut size = StepSize::new(largest);
            for was_too_much in steps {
                let before = size.rows();
                size.learn(was_too_much);
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
        size.learn(true);
        size.learn(true);
        assert_eq!(size.rows(), 1_250_000);
        size.learn(false);
        assert_eq!(size.rows(), 1_750_000);
        for _ in 0..10 {
            size.learn(false);
        }
        assert_eq!(size.rows(), 5_000_000);
    }
}
