//! Cycles as the ledger records them.

use jiff::Timestamp;
use serde::Serialize;

use crate::slot::SlotRange;

/// A cycle that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleStart {
    /// A UUIDv7.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The instant that its cutoffs are made from.
    pub as_of: Timestamp,
    /// The revision of the ledger it was planned from; once it was renewed, the one that it goes on
    /// under.
    pub revision: u64,
    /// [`crate::RuleSet::digest`] of the rules of that revision, or of what was asked for instead.
    pub rules_digest: String,
    /// What began it: `slot`, `run`, `apply`, `backfill` or `reclaim`.
    pub kind: String,
    /// The digest of its plan.
    pub plan_digest: String,
    /// The slot that it is for, if it is for one: the UTC day and the places.
    pub slot: Option<(String, SlotRange)>,
    /// The instance or person that runs it.
    pub holder: String,
    /// The token of the [`crate::CYCLE_LEASE`] it runs under.
    pub lease_token: u64,
    /// What a person asked for, and who, as canonical JSON; nothing where it follows the rules.
    pub asked: Option<String>,
}

/// A cycle as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRecord {
    /// Written when it began.
    pub start: CycleStart,
    /// When it ended and how: `done`, `partial`, `failed`, `refused`, `stale`, or `reclaimed`
    /// where nothing was to be deleted; missing if the process died.
    pub end: Option<(Timestamp, String)>,
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
