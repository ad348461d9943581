//! What was seen last of deleted rows that are still on disk. Instances share it, so that all say the
//! same, and remember since when: ClickHouse does not. It is no part of the record.

use jiff::Timestamp;

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
