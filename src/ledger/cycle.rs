//! Cycles as the ledger records them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Intended, LedgerError};
use crate::slot::SlotRange;

/// The ledger, as far as it is about cycles.
#[async_trait]
pub trait CycleLedger: Send + Sync {
    /// Records that a cycle begins.
    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError>;
    /// Moves a cycle that has begun to a later revision, of rules with this digest, unless the revision
    /// has moved on from that one too, or the lease is lost. Look and record are one transaction.
    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError>;
    /// Records how a cycle ended: `done`, `partial`, `failed`, `refused`, `stale` or `reclaimed`.
    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError>;
    /// The latest cycles, newest first.
    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError> {
        self.cycles_before(None, limit).await
    }
    /// Cycles before an id (or from the latest), newest first.
    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError>;
    /// One cycle.
    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError>;
    /// The ranges of a day whose cycles ended as `done`.
    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError>;
    /// When a cycle last ended as `done` or `partial`; a backfill is of one scope and does not count.
    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError>;
}

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
