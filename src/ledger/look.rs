//! Looks: what a plan or a cycle saw last of a share of the workspaces. Instances share them, so
//! that all say the same; they are no part of the record.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::slot::SlotRange;

/// The ledger, as far as it is about looks.
#[async_trait]
pub trait LookLedger: Send + Sync {
    /// Notes a look, in the place of those that it overlaps and of old ones. Raises no revision,
    /// and is no entry of the record: whoever looks again may differ.
    async fn note_look(&self, look: &Look) -> Result<(), LedgerError>;
    /// All looks, in the order of their places.
    async fn looks(&self) -> Result<Vec<Look>, LedgerError>;
}

/// A look at some places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The places. Looks do not overlap: a new one takes the place of those that it overlaps.
    pub range: SlotRange,
    /// When.
    pub at: Timestamp,
    /// The terms under which all that was due there went; empty if something was left.
    pub terms: String,
    /// What was seen, as JSON.
    pub body: String,
}
