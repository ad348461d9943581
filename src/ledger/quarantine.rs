//! Partitions in quarantine, as the ledger holds them: where they are, until when, and what became of
//! them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Intended, LedgerError};

/// The ledger, as far as it is about partitions in quarantine.
#[async_trait]
pub trait QuarantineLedger: Send + Sync {
    /// Records that partitions are about to be moved to quarantine, all in one transaction.
    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError>;
    /// Records what becomes of a partition in quarantine, unless the lease is lost or the revision
    /// that the change names holds no more. Look and record are one transaction.
    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError>;
    /// Partitions in quarantine, oldest first: those that are not over, or the whole history.
    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError>;
}

/// A partition that is about to leave its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQuarantine {
    /// The cycle.
    pub cycle: String,
    /// The number of its step.
    pub step: u32,
    /// The id of the partition.
    pub partition: String,
    /// The shard's URL without credentials.
    pub shard: String,
    /// The table that it leaves.
    pub table: String,
    /// The table that it is moved to.
    pub kept_in: String,
    /// When.
    pub began_at: Timestamp,
    /// From when on it may be dropped.
    pub keep_until: Timestamp,
}

/// Where a partition in quarantine stands. Each change is written before its effect, and once more
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineState {
    /// It is being moved, or its process died while it was.
    Moving,
    /// It is in quarantine.
    Kept,
    /// It is being brought back.
    Undoing,
    /// It is being dropped.
    Dropping,
    /// It is back in its table, or never left it.
    Undone,
    /// It is gone.
    Dropped,
}

impl QuarantineState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Moving,
        Self::Kept,
        Self::Undoing,
        Self::Dropping,
        Self::Undone,
        Self::Dropped,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Kept => "kept",
            Self::Undoing => "undoing",
            Self::Dropping => "dropping",
            Self::Undone => "undone",
            Self::Dropped => "dropped",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Undone | Self::Dropped)
    }
}

/// What becomes of a partition in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineChange {
    /// The cycle that moved it.
    pub cycle: String,
    /// The step that moved it.
    pub step: u32,
    /// The id of the partition.
    pub partition: String,
    /// What it comes to be.
    pub state: QuarantineState,
    /// Rows that are, or were, in it.
    pub n_rows: u64,
    /// Bytes on disk.
    pub n_bytes: u64,
    /// When.
    pub at: Timestamp,
    /// The lease under which this is done.
    pub lease_token: u64,
    /// The revision that must still hold: that of the rules, holds and pauses that allow it.
    pub revision: Option<u64>,
}

/// A partition in quarantine, or one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRecord {
    /// How it began.
    pub quarantine: NewQuarantine,
    /// Where it stands.
    pub state: QuarantineState,
    /// Rows that are, or were, in it; 0 until it was moved.
    pub n_rows: u64,
    /// Bytes on disk.
    pub n_bytes: u64,
    /// Since when it stands there.
    pub changed_at: Timestamp,
    /// Who did that.
    pub changed_by: String,
}

impl QuarantineRecord {
    /// The change to another state, with other counts.
    pub fn change(&self, state: QuarantineState, at: Timestamp, token: u64) -> QuarantineChange {
        QuarantineChange {
            cycle: self.quarantine.cycle.clone(),
            step: self.quarantine.step,
            partition: self.quarantine.partition.clone(),
            state,
            n_rows: self.n_rows,
            n_bytes: self.n_bytes,
            at,
            lease_token: token,
            revision: None,
        }
    }
}
