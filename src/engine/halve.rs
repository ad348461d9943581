//! What is too much for one look, in halves.
//!
//! Invariant: nothing is left out. What was too much comes back as two halves, or to whoever asked, who
//! says that it was not counted.

use crate::warehouse::WarehouseError;

/// So often may looks at a table go beyond their limits.
const PATIENCE: u32 = 64;
/// One that is given up after it read counts for so many that are not begun.
const WORTH_OF_READING: u32 = 8;

/// How often looks at a table may still go beyond their limits in one plan, or after one step.
pub(super) struct Patience(u32);

impl Patience {
    pub(super) fn new() -> Self {
        Self(PATIENCE)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// Pays for a look that went beyond its limits.
    pub(super) fn pay(&mut self, error: &WarehouseError) {
        self.0 = self.0.saturating_sub(cost(error));
    }
}

/// What a look that went beyond its limits costs: one that would have read too much was not begun.
fn cost(error: &WarehouseError) -> u32 {
    match error {
        WarehouseError::TooManyRows { .. } => 1,
        _ => WORTH_OF_READING,
    }
}

/// What is looked at together, and taken apart where that is too much.
pub(super) struct Halves<T> {
    /// What comes next stands last.
    left: Vec<Together<T>>,
}

/// Some that one look is for.
pub(super) struct Together<T> {
    pub(super) items: Vec<T>,
    /// Whether more of them together were too much.
    pub(super) is_half: bool,
}

impl<T> Halves<T> {
    /// Groups that are looked at one after the other.
    pub(super) fn of(groups: impl IntoIterator<Item = Vec<T>>) -> Self {
        let whole = |items| Together {
            items,
            is_half: false,
        };
        let mut left: Vec<Together<T>> = groups.into_iter().map(whole).collect();
        left.reverse();
        Self { left }
    }

    pub(super) fn next(&mut self) -> Option<Together<T>> {
        self.left.pop()
    }

    /// Takes apart what was too much for a look. It is given back where it failed for another reason, is a
    /// single one, or patience is over.
    pub(super) fn halve(
        &mut self,
        failed: Together<T>,
        error: &WarehouseError,
        patience: &mut Patience,
    ) -> Result<(), Together<T>> {
        if !error.is_out_of_limits() {
            return Err(failed);
        }
        let is_single = failed.items.len() < 2;
        // Halves of what was not begun come to an end by themselves.
        if is_single || cost(error) > 1 {
            patience.pay(error);
        }
        if is_single || patience.is_over() {
            return Err(failed);
        }
        let mut first = failed.items;
        let second = first.split_off(first.len() / 2);
        self.left.extend([second, first].map(|items| Together {
            items,
            is_half: true,
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> WarehouseError {
        WarehouseError::TooManyRows { shard: "s".into() }
    }

    fn given_up() -> WarehouseError {
        WarehouseError::Timeout {
            shard: "s".into(),
            what: "probe",
            setting: "probe_timeout",
            limit: std::time::Duration::from_secs(1),
        }
    }

    /// Looks at so many numbers, of which so many are too much; returns what was seen together, what not,
    /// and how many looks were too much.
    fn look(
        n: usize,
        most: usize,
        error: fn() -> WarehouseError,
    ) -> (Vec<Vec<usize>>, Vec<usize>, usize) {
        let mut halves = Halves::of([(0..n).collect()]);
        let (mut seen, mut unseen, mut n_failed) = (Vec::new(), Vec::new(), 0);
        let mut patience = Patience::new();
        while let Some(some) = halves.next() {
            if some.items.len() <= most {
                assert_eq!(some.is_half, n > most);
                seen.push(some.items);
                continue;
            }
            n_failed += 1;
            if let Err(failed) = halves.halve(some, &error(), &mut patience) {
                unseen.extend(failed.items);
            }
        }
        (seen, unseen, n_failed)
    }

    #[test]
    fn halves_are_seen_in_order_and_none_is_lost() {
        let (seen, unseen, _) = look(9, 3, refused);
        assert!(seen.iter().all(|some| some.len() <= 3));
        assert_eq!(seen.concat(), (0..9).collect::<Vec<_>>());
        assert!(unseen.is_empty());
        let (seen, unseen, n_failed) = look(2, 0, refused);
        assert_eq!((seen.len(), unseen, n_failed), (0, vec![0, 1], 3));
    }

    #[test]
    fn patience_ends_and_what_was_only_refused_costs_none_while_it_can_be_halved() {
        let (seen, unseen, _) = look(500, 1, refused);
        assert_eq!((seen.len(), unseen.len()), (500, 0));
        let (seen, unseen, n_failed) = look(500, 1, given_up);
        assert!(unseen.len() > 100 && seen.concat().len() + unseen.len() == 500);
        let n_first = usize::try_from(PATIENCE / WORTH_OF_READING).unwrap();
        // Each group that is left is looked at once more.
        assert!(
            n_failed > n_first && n_failed < 2 * n_first + 2,
            "{n_failed}"
        );
    }

    #[test]
    fn what_failed_for_another_reason_is_not_halved() {
        let mut halves = Halves::of([vec![1, 2]]);
        let error = WarehouseError::NotClickHouse {
            shard: "s".into(),
            text: "a proxy".into(),
        };
        let both = halves.next().unwrap();
        assert!(halves.halve(both, &error, &mut Patience::new()).is_err());
        assert!(halves.next().is_none());
    }
}
