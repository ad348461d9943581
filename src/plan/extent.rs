//! How much disk rows take that go, and from when they are.
//!
//! Bytes are an estimate: those of a partition, times its rows that go, by the rows that it stores. Of one
//! that goes as a whole they are all of its bytes.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Partition;

/// How much goes, and from when it is; nothing where that is not known, or nothing goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// About how many bytes on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_bytes: Option<u64>,
    /// The time of the oldest row, within a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// The time of the newest row, within a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
}

impl Extent {
    pub(crate) fn of(n_bytes: Option<u64>, ages: Ages) -> Self {
        let instant = |ms: Option<i64>| Timestamp::from_millisecond(ms?).ok();
        Self {
            n_bytes,
            oldest: instant(ages.oldest_ms),
            newest: instant(ages.newest_ms),
        }
    }

    /// That of both together.
    pub(super) fn and(self, other: Self) -> Self {
        let n_bytes = self.n_bytes.zip(other.n_bytes);
        Self {
            n_bytes: n_bytes.map(|(some, others)| some.saturating_add(others)),
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
            newest: self.newest.max(other.newest),
        }
    }

    /// Whether nothing is known, as of a plan of an older version.
    pub(super) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// The oldest and the newest of some rows, in Unix milliseconds; nothing where there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ages {
    /// The age of the oldest.
    pub oldest_ms: Option<i64>,
    /// The age of the newest.
    pub newest_ms: Option<i64>,
}

impl Ages {
    /// Those of both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            oldest_ms: self.oldest_ms.into_iter().chain(other.oldest_ms).min(),
            newest_ms: self.newest_ms.max(other.newest_ms),
        }
    }
}

/// How many bytes the rows that are due in some partitions take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Density {
    n_bytes: u128,
    n_due: u128,
}

impl Density {
    /// That of the partitions that are named, or of all that do not go as a whole if none is; nothing
    /// where one of them is not known.
    pub(super) fn of(partitions: &[Partition], named: &[Arc<str>]) -> Option<Self> {
        let is_its = |partition: &&Partition| {
            let is_named = named.is_empty() || named.contains(&partition.id);
            is_named && !partition.goes_whole && partition.n_due > 0
        };
        let none = Self {
            n_bytes: 0,
            n_due: 0,
        };
        let mut found = partitions.iter().filter(is_its);
        found.try_fold(none, |sum, partition| {
            let n_due = u128::from(partition.n_due);
            let of_due = u128::from(partition.n_bytes) * n_due;
            Some(Self {
                n_bytes: sum.n_bytes + of_due.checked_div(u128::from(partition.n_rows))?,
                n_due: sum.n_due + n_due,
            })
        })
    }

    /// About how many bytes so many of the rows take.
    pub(super) fn n_bytes(self, n_rows: u64) -> Option<u64> {
        let of_rows = self.n_bytes.checked_mul(u128::from(n_rows))?;
        u64::try_from(of_rows.checked_div(self.n_due)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: &str, n_bytes: u64, n_rows: u64, n_due: u64) -> Partition {
        Partition {
            id: id.into(),
            n_bytes,
            n_rows,
            n_due,
            ..Partition::default()
        }
    }

    #[test]
    fn rows_take_the_share_of_the_bytes_of_their_partitions() {
        let of_100 = partition("1", 1_000_000, 1_000, 100);
        let of_900 = partition("2", 90_000, 900, 900);
        let whole = Partition {
            goes_whole: true,
            ..partition("3", 7_000_000, 10, 10)
        };
        let partitions = [of_100, of_900, whole, partition("4", 5_000_000, 10, 0)];
        let of_all = Density::of(&partitions, &[]).unwrap();
        assert_eq!(of_all.n_bytes(1_000), Some(190_000));
        assert_eq!(of_all.n_bytes(500), Some(95_000));
        let of_first = Density::of(&partitions, &["1".into()]).unwrap();
        assert_eq!(of_first.n_bytes(100), Some(100_000));
    }

    #[test]
    fn what_nobody_listed_is_unknown() {
        let partitions = [partition("1", 1_000, 10, 1), partition("2", 0, 0, 1)];
        assert!(Density::of(&partitions, &[]).is_none());
        let none = Density::of(&[], &[]).unwrap();
        assert_eq!(none.n_bytes(1), None);
    }
}
