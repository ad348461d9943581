//! The partitions of a table, as the server lists them.

use crate::sql::sql;
use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::plan::Partition;

#[derive(clickhouse::Row, Deserialize)]
struct PartitionRow {
    id: String,
    value: String,
    n_parts: u64,
    n_patches: u64,
    n_rows: u64,
    n_bytes: u64,
    most_bytes: u64,
    is_of_user: u8,
}

/// The partitions of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Partitions {
    /// By id.
    pub(crate) found: Vec<Partition>,
    /// The largest one that the server lets this user drop; 0 for any.
    pub(crate) most_bytes: u64,
}

impl Partitions {
    /// Whether the server does not let this user drop it.
    pub(crate) fn is_too_large(&self, partition: &Partition) -> bool {
        self.most_bytes > 0 && partition.n_bytes > self.most_bytes
    }

    /// Rows in the active parts of a partition.
    pub(crate) fn n_rows_of(&self, id: &str) -> u64 {
        let mut found = self.found.iter();
        found
            .find(|partition| *partition.id == *id)
            .map_or(0, |partition| partition.n_rows)
    }
}

/// The rows of some parts.
#[derive(clickhouse::Row, Deserialize)]
pub(crate) struct RowsOfParts {
    /// As the server stores them.
    pub(crate) n_stored: u64,
    /// As this user sees them.
    pub(crate) n_seen: u64,
}

impl Shard {
    /// Rows of parts, masked ones included.
    pub(crate) async fn rows_of_parts(
        &self,
        table: &str,
        parts: &[&str],
    ) -> Result<RowsOfParts, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/rows_of_parts.sql"))
            .param("table", table)
            .param("parts", parts);
        self.fetch_one(query).await
    }

    /// The partitions of a table with active parts.
    pub(crate) async fn partitions(&self, table: &str) -> Result<Partitions, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/partitions.sql"))
            .param("table", table);
        let rows: Vec<PartitionRow> = self.fetch(query).await?;
        let (most_bytes, is_of_user) = rows
            .first()
            .map_or((0, true), |row| (row.most_bytes, row.is_of_user == 1));
        // Where the user has no limit of its own, that of the server holds; not all may read it.
        let most_bytes = if is_of_user {
            most_bytes
        } else {
            let of_server = self.drop_limit().await;
            of_server.map_or(most_bytes, |limit| limit.unwrap_or(0))
        };
        let partition = |row: PartitionRow| Partition {
            id: row.id.into(),
            value: row.value,
            n_parts: row.n_parts,
            n_patches: row.n_patches,
            n_rows: row.n_rows,
            n_bytes: row.n_bytes,
            ..Partition::default()
        };
        Ok(Partitions {
            found: rows.into_iter().map(partition).collect(),
            most_bytes,
        })
    }
}
