//! What was learned of tables, for the rest of a UTC day.

use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;

use crate::cutoff::utc_day;
use crate::target::CheckedTarget;
use crate::warehouse::Shard;

/// Which table, and when.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) shard: &'a str,
    pub(super) table: &'a str,
    pub(super) now: Timestamp,
}

impl<'a> Of<'a> {
    pub(super) fn new(shard: &'a Shard, target: &'a CheckedTarget, now: Timestamp) -> Self {
        Self {
            shard: shard.name(),
            table: &target.table,
            now,
        }
    }
}

/// What is known by shard and table, each with the day that it holds for.
pub(super) struct OfDay<T>(Mutex<HashMap<(String, String), (String, T)>>);

impl<T: Default> OfDay<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// What is known of a table, to read or to change: of another day it is nothing.
    pub(super) fn with<R>(&self, of: Of<'_>, look: impl FnOnce(&mut T) -> R) -> R {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (of.shard.into(), of.table.into());
        let (day, of_table) = known.entry(key).or_default();
        let today = utc_day(of.now);
        if *day != today {
            (*day, *of_table) = (today, T::default());
        }
        look(of_table)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::engine) const OF: Of<'static> = Of {
        shard: "s",
        table: "t",
        now: Timestamp::UNIX_EPOCH,
    };

    #[test]
    fn another_day_and_another_table_know_nothing() {
        let known: OfDay<Option<u8>> = OfDay::new();
        let (evening, midnight) = (82_800, 86_400);
        let at = |second| Of {
            now: Timestamp::from_second(second).unwrap(),
            ..OF
        };
        known.with(OF, |known| *known = Some(7));
        assert_eq!(known.with(at(evening), |known| *known), Some(7));
        let others = [
            Of { table: "u", ..OF },
            Of { shard: "r", ..OF },
            at(midnight),
            // That day is over.
            OF,
        ];
        for of in others {
            assert_eq!(known.with(of, |known| *known), None);
        }
    }
}
