//! What probes count. A probe that does not come to its end is an error: unknown, never nothing.

use serde::Deserialize;

use super::{Shard, WarehouseError};

/// One workspace of a table.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, Deserialize)]
pub struct CensusRow {
    /// The workspace.
    pub workspace: String,
    /// Its rows.
    pub n_rows: u64,
    /// Of these, rows whose id has no age.
    pub n_undatable: u64,
    /// Of these, rows from the future.
    pub n_future: u64,
    /// The age of the oldest row that has one, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// What is due in one workspace or project of a table.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, Deserialize)]
pub struct DueRow {
    /// The workspace.
    pub workspace: String,
    /// The project; empty where the policy is the workspace's.
    pub project: String,
    /// Expired rows that would go.
    pub n_due: u64,
    /// Expired rows that stay because something refers to them.
    pub n_kept: u64,
}

impl Shard {
    /// Runs a compiled census. The columns are those of [`CensusRow`], by name.
    ///
    /// # Errors
    /// Also when the probe ran out of its limits: the census is unknown then.
    pub async fn census(&self, sql: &str) -> Result<Vec<CensusRow>, WarehouseError> {
        self.fetch(self.probes.query_raw(sql)).await
    }

    /// Runs a compiled count of what is due. The columns are those of [`DueRow`], by name.
    ///
    /// # Errors
    /// Also when the probe ran out of its limits: what is due is unknown then.
    pub async fn count_due(&self, sql: &str) -> Result<Vec<DueRow>, WarehouseError> {
        self.fetch(self.probes.query_raw(sql)).await
    }
}
