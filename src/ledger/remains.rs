//! What was seen last of deleted rows that are still on disk. Instances share it, so that all say the
//! same, and remember since when: ClickHouse does not. It is no part of the record.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;

/// The ledger, as far as it is about what is left of deleted rows.
#[async_trait]
pub trait RemainsLedger: Send + Sync {
    /// Notes what a table holds of deleted rows, in the place of what was seen of it before. Raises no
    /// revision, and is no entry of the record.
    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError>;
    /// What was seen last, of all tables of all shards.
    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError>;
}

/// What a table of a shard was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemainsNote {
    /// The shard's URL without credentials.
    pub shard: String,
    /// The table.
    pub table: String,
    /// When.
    pub at: Timestamp,
    /// What was seen, as JSON.
    pub body: String,
}
