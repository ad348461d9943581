//! What was learned of tables, for the rest of a UTC day.

use std::sync::Mutex;

use foldhash::{HashMap, HashMapExt};

use crate::warehouse::Shard;

/// What is known by shard and table, each with the day that it holds for.
pub(in crate::engine) struct OfDay<T>(Mutex<HashMap<(String, String), (String, T)>>);

impl<T: Copy> OfDay<T> {
    pub(in crate::engine) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn of(&self, shard: &Shard, table: &str, day: &str) -> Option<T> {
        let known = self.0.lock().ok()?;
        let (known_day, of_table) = known.get(&(shard.name().into(), table.into()))?;
        (known_day == day).then_some(*of_table)
    }

    pub(super) fn remember(&self, shard: &Shard, table: &str, day: String, of_table: T) {
        if let Ok(mut known) = self.0.lock() {
            known.insert((shard.name().into(), table.into()), (day, of_table));
        }
    }
}
