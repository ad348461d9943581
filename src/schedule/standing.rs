//! How a table stands, as the ledger knows it: what is left to delete and for how long, what deleted
//! rows hold of the disk, and what is in quarantine. Sidecars show it, and so does `ebbtide status`.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

use super::TargetStatus;
use super::backlog::Left;
use crate::engine::read_note;
use crate::ledger::{QuarantineRecord, RemainsNote};
use crate::plan::{Remains, StepCost, age, time_left};
use crate::warehouse::Shard;

impl TargetStatus {
    /// What looks have seen of it.
    pub(crate) fn show_left(&mut self, left: &Left) {
        self.backlog_rows = left.n_rows;
        self.backlog_is_uncounted = left.is_uncounted;
        self.deferred_rows = left.n_deferred;
        self.waiting_rows = left.n_waiting;
        self.retention_lag_seconds = left.lag_s;
        self.eta = self.eta.filter(|_| left.n_rows > 0);
    }

    /// When what is left should be gone, as steps of the past say.
    pub(crate) fn show_eta(&mut self, costs: &[StepCost], most: NonZeroU32, now: Timestamp) {
        let left = self.time_left(costs, most);
        self.eta = left.and_then(|left| now.checked_add(left).ok());
    }

    /// How long what is left takes; nothing where nothing is, no step says, or nobody could count it.
    pub(crate) fn time_left(&self, costs: &[StepCost], most: NonZeroU32) -> Option<Duration> {
        let left = time_left(&self.table, self.backlog_rows, costs, most);
        left.filter(|_| !self.backlog_is_uncounted)
    }

    /// What deleted rows hold on these shards.
    pub(crate) fn show_remains(&mut self, notes: &[RemainsNote], shards: &[Shard], now: Timestamp) {
        let of_table: Vec<&RemainsNote> = notes
            .iter()
            .filter(|note| note.table == self.table)
            .filter(|note| shards.iter().any(|shard| shard.name() == note.shard))
            .collect();
        // Where somebody never looked at one of them, nobody knows.
        let is_known = of_table.len() == shards.len();
        let seen_at = of_table.iter().map(|note| note.at).min();
        self.dead_seen_at = seen_at.filter(|_| is_known);
        let remains: Vec<Remains> = of_table.into_iter().flat_map(read_note).collect();
        let lag = remains.iter().map(|remains| age(remains, now)).max();
        self.dead_bytes = remains.iter().map(|remains| remains.dead_bytes).sum();
        self.reclaim_lag_seconds = lag.map_or(0, |lag| lag.as_secs());
    }

    /// What of it is in quarantine.
    pub(crate) fn show_quarantined(&mut self, records: &[QuarantineRecord]) {
        let of_table = || {
            let open = records.iter().filter(|record| !record.state.is_over());
            open.filter(|record| record.quarantine.table == self.table)
        };
        let until = of_table().map(|record| record.quarantine.keep_until).min();
        self.quarantined_bytes = of_table().map(|record| record.n_bytes).sum();
        self.quarantined_until = until;
    }
}
