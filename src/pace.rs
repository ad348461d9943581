//! Pacing: how many statements, over how many rows, when of the day, and not while ClickHouse is
//! busy.
//!
//! Invariant: no statement goes to a table whose load cannot be read, or is at a limit.

mod calm;
mod gate;
mod signal;
mod step_size;
mod table;
mod usual;
mod window;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

pub use gate::{Decision, Held, decide};
pub use signal::{Readings, Signal, Thresholds, Wait};
pub use window::{NoWindow, Window};

use self::step_size::StepSize;
use self::table::TablePace;
use crate::engine::error_chain;
use crate::plan::{Method, StepCost};
use crate::warehouse::Shard;

/// How fast statements may follow each other, and what holds them back.
#[derive(Debug, Clone, PartialEq)]
pub struct PaceConfig {
    /// Statements in any minute.
    pub statements_per_minute: NonZeroU32,
    /// Rows in any second.
    pub rows_per_second: NonZeroU32,
    /// The largest step; a smaller one follows where a step was too much.
    pub rows_per_step: u64,
    /// A statement that takes longer than this was too much.
    pub statement_target: Duration,
    /// How long a table is waited for in one cycle.
    pub longest_wait: Duration,
    /// A mutation of ours without a finished part for this long is stalled.
    pub stall_after: Duration,
    /// When of the day statements are sent.
    pub window: Window,
    /// The limits of ClickHouse's load.
    pub thresholds: Thresholds,
}

impl Default for PaceConfig {
    fn default() -> Self {
        Self {
            statements_per_minute: NonZeroU32::MIN.saturating_add(29),
            rows_per_second: NonZeroU32::MIN.saturating_add(1_999_999),
            rows_per_step: 5_000_000,
            statement_target: Duration::from_mins(5),
            longest_wait: Duration::from_mins(5),
            stall_after: Duration::from_mins(30),
            window: Window::ALWAYS,
            thresholds: Thresholds::default(),
        }
    }
}

/// The load is read at most this often.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Spaces statements and rows out over time, and looks how ClickHouse copes.
#[derive(Debug)]
pub struct Pacer {
    statements: DefaultDirectRateLimiter,
    rows: DefaultDirectRateLimiter,
    config: PaceConfig,
    tables: Mutex<HashMap<Key, TablePace>>,
    has_recalled: AtomicBool,
}

/// A shard and a table.
type Key = (Arc<str>, Arc<str>);

impl Pacer {
    /// A pacer that has not looked at anything yet.
    pub fn new(config: PaceConfig) -> Self {
        Self {
            statements: RateLimiter::direct(Quota::per_minute(config.statements_per_minute)),
            rows: RateLimiter::direct(Quota::per_second(config.rows_per_second)),
            config,
            tables: Mutex::default(),
            has_recalled: AtomicBool::new(false),
        }
    }

    /// What it was made from.
    pub fn config(&self) -> &PaceConfig {
        &self.config
    }

    /// Waits until a statement over so many rows may be sent, as far as their number goes: at most
    /// so many statements in any minute, evenly spaced after a first burst. A statement larger than
    /// a second's rows waits for as many seconds as it is worth.
    pub async fn ready(&self, n_rows: u64) {
        self.statements.until_ready().await;
        let mut left = n_rows;
        while left > 0 {
            let most = u64::from(self.config.rows_per_second.get());
            let batch = u32::try_from(left.min(most)).unwrap_or(u32::MAX);
            let Some(batch) = NonZeroU32::new(batch) else {
                return;
            };
            // The batch is never larger than the quota, the only error there is.
            if self.rows.until_n_ready(batch).await.is_err() {
                return;
            }
            left -= u64::from(batch.get());
        }
    }

    /// Whether a statement may be sent to a table now, by the load of its server. Asks the server
    /// at most once a second.
    pub async fn look(&self, shard: &Shard, table: &str) -> Decision {
        let now = Instant::now();
        if let Some(decision) = self.of(shard, table, |pace| pace.lately(now)) {
            return decision;
        }
        let load = shard.load(table).await.map_err(|error| error_chain(&error));
        let limits = &self.config.thresholds;
        self.of(shard, table, |pace| {
            pace.decide(load, limits, Instant::now())
        })
    }

    /// The same for a statement that frees disk and needs none: that a volume is full alone does not
    /// hold it back.
    pub async fn look_to_free(&self, shard: &Shard, table: &str) -> Decision {
        let decision = self.look(shard, table).await;
        self.of(shard, table, |pace| pace.to_free(decision))
    }

    /// A statement that deleted so many rows ended: it took so long, and during or after it the load
    /// was or was not beyond a limit. Returns whether the next step is smaller for it.
    pub fn learn(
        &self,
        shard: &Shard,
        table: &str,
        n_rows: u64,
        took: Duration,
        was_strained: bool,
    ) -> bool {
        let too_long = self.too_long(took);
        self.of(shard, table, |pace| {
            let before = pace.step.rows();
            pace.step.learn(n_rows, too_long, was_strained);
            pace.step.rows() < before
        })
    }

    /// How long something took, if that was too long for a statement.
    fn too_long(&self, took: Duration) -> Option<Duration> {
        (took > self.config.statement_target).then_some(took)
    }

    /// Learns from steps of earlier processes, the newest first, unless it did before. Whether a
    /// step strained the server is not recorded.
    pub(crate) fn recall(&self, costs: &[StepCost]) {
        if self.has_recalled.swap(true, Ordering::Relaxed) {
            return;
        }
        let is_delete = |cost: &&StepCost| cost.method != Method::Partition.as_str();
        let mut recorded: HashMap<Key, StepSize> = HashMap::new();
        for cost in costs.iter().rev().filter(is_delete) {
            let too_long = self.too_long(Duration::from_millis(cost.duration_ms));
            let key: Key = (cost.shard.as_str().into(), cost.table.as_str().into());
            let size = recorded
                .entry(key)
                .or_insert_with(|| StepSize::new(self.config.rows_per_step));
            size.learn(cost.n_rows, too_long, false);
        }
        for (key, size) in recorded {
            self.of_key(key, |pace| pace.step.recall(size));
        }
    }

    /// How many rows the next step of a table may have.
    pub fn rows_per_step(&self, shard: &Shard, table: &str) -> u64 {
        self.of(shard, table, |pace| pace.step.rows())
    }

    fn of<T>(&self, shard: &Shard, table: &str, work: impl FnOnce(&mut TablePace) -> T) -> T {
        self.of_key((shard.name().into(), table.into()), work)
    }

    fn of_key<T>(&self, key: Key, work: impl FnOnce(&mut TablePace) -> T) -> T {
        let mut tables = self.lock();
        let new = || TablePace::new(self.config.rows_per_step);
        work(tables.entry(key).or_insert_with(new))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, TablePace>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
