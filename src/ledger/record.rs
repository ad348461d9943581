//! The record of what was done: its hash chain, and what is pruned from it.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::LedgerError;
use crate::audit::{Entry, Head};

/// The ledger, as far as it is about the record of what was done.
#[async_trait]
pub trait RecordLedger: Send + Sync {
    /// Records that a person is about to end a mutation of ours: only an entry of the record.
    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError>;
    /// The end of the hash chain, kept beside it: entries cut off at its end are missed by it.
    async fn audit_head(&self) -> Result<Head, LedgerError>;
    /// Streams the hash chain from a number on, in order.
    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError>;
    /// Removes cycles that ended before an instant with their steps (or began before it, never ended,
    /// and lost their lease), entries of the hash chain from before it, and request keys older than a
    /// day. That it did so becomes an entry, which names the last entry that is gone.
    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError>;
}

/// What was removed from the record because it was old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PrunedRecord {
    /// Cycles, with their steps.
    pub n_cycles: u64,
    /// Entries of the hash chain.
    pub n_entries: u64,
}

impl PrunedRecord {
    /// So many entries of the chain go in one change: others wait until it ends.
    pub(super) const MOST_ENTRIES: u64 = 10_000;
    /// So many cycles, each with all its steps.
    pub(super) const MOST_CYCLES: u64 = 100;

    /// Whether there may be more.
    pub(super) fn is_full(self) -> bool {
        self.n_entries >= Self::MOST_ENTRIES || self.n_cycles >= Self::MOST_CYCLES
    }

    pub(super) fn add(&mut self, batch: Self) {
        self.n_cycles += batch.n_cycles;
        self.n_entries += batch.n_entries;
    }
}

/// A mutation of ours that a person is about to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutationKill {
    /// The shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// Its id on the server.
    pub mutation: String,
    /// The marker of its statement, which names cycle and step.
    pub marker: String,
}
