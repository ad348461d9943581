//! What a rule would delete, before it is saved.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Engine, EngineError};
use crate::plan::Unprobed;
use crate::rule::{Retention, Scope};

/// A change of rules that nobody has saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// The scope whose rule would change.
    pub scope: Scope,
    /// The retention it would get, or nothing to look at deactivating its rule.
    pub retention: Option<Retention>,
    /// Whether rows from before now would follow it too.
    pub apply_to_past: bool,
}

/// What a change of rules would delete.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The instant that cutoffs are made from.
    pub as_of: Timestamp,
    /// Per shard and table, those that the change touches.
    pub tables: Vec<PreviewTable>,
    /// What could not be looked at.
    pub unprobed: Vec<Unprobed>,
}

/// One table under the rules of today, and under the change.
#[derive(Debug, Clone, Serialize)]
pub struct PreviewTable {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// What is expired under the rules as they are.
    pub before: Expired,
    /// What would be expired under the change.
    pub after: Expired,
    /// Expired rows that would stay because another table refers to them.
    pub n_kept: u64,
}

/// Expired rows of the scope in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Expired {
    /// Rows.
    pub n_rows: u64,
    /// Their size on disk: rows times the table's compressed bytes a row, an estimate.
    pub n_bytes: u64,
    /// Parts that hold some of them.
    pub n_parts: u64,
    /// The time of the oldest.
    pub oldest: Option<Timestamp>,
    /// The time of the newest.
    pub newest: Option<Timestamp>,
}

impl Engine {
    /// What a change of rules would delete; read-only.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn preview(&self, _change: &RuleChange) -> Result<Preview, EngineError> {
        unimplemented!()
    }
}
