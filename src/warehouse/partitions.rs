//! The partitions of a table, as the server lists them.

use std::sync::Arc;

use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::plan::Partition;
use crate::sql::sql;

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
    /// The largest one that this user may drop by its own settings, in bytes; 0 for any.
    pub(crate) most_bytes: u64,
    /// Whether that was set for the user: elsewhere the limit of the server holds.
    pub(crate) is_of_user: bool,
}

impl Partitions {
    /// Rows in the active parts of a partition.
    pub(crate) fn n_rows_of(&self, id: &str) -> u64 {
        let mut found = self.found.iter();
        let found = found.find(|partition| *partition.id == *id);
        found.map_or(0, |partition| partition.n_rows)
    }
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, Deserialize)]
pub(crate) struct StoredPart {
    /// Its name.
    pub(crate) name: String,
    /// Its rows as the server stores them, masked ones included.
    pub(crate) n_rows: u64,
    /// When it was written or last changed, in Unix seconds of the server.
    pub(crate) modified_s: u32,
}

/// How a table is defined.
#[derive(Debug, Clone, Default, PartialEq, Eq, clickhouse::Row, Deserialize)]
pub(crate) struct Definition {
    /// What tells it, defined as it is, from any other; empty where nothing does.
    pub(crate) id: String,
    /// When that was asked, in Unix seconds of the server.
    pub(crate) asked_s: u32,
}

/// Some parts of a table.
#[derive(clickhouse::Row, Deserialize)]
pub(crate) struct PartsNow {
    /// Those that are active, the smallest first, each with its rows as the server stores them, masked ones
    /// included.
    pub(crate) by_size: Vec<(String, u64)>,
    /// Their rows as this user sees them.
    pub(crate) n_seen: u64,
}

impl Shard {
    /// What parts are and hold now.
    pub(crate) async fn parts_now(
        &self,
        table: &str,
        parts: &[&str],
    ) -> Result<PartsNow, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/parts_now.sql"))
            .param("table", table)
            .param("parts", parts);
        self.fetch_one_in_turn(query).await
    }

    /// The active parts of some partitions, the smallest first, with patches that wait for them.
    pub(crate) async fn stored_parts(
        &self,
        table: &str,
        partitions: &[Arc<str>],
    ) -> Result<Vec<StoredPart>, WarehouseError> {
        let partitions: Vec<&str> = partitions.iter().map(|id| &**id).collect();
        let query = self
            .probes
            .query_raw(sql!("clickhouse/stored_parts.sql"))
            .param("table", table)
            .param("partitions", partitions);
        self.fetch(query).await
    }

    /// How a table is defined now.
    pub(crate) async fn definition(&self, table: &str) -> Result<Definition, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/definition.sql"))
            .param("table", table);
        let found: Option<Definition> = self.fetch(query).await?.into_iter().next();
        Ok(found.unwrap_or_default())
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
            is_of_user,
        })
    }

    /// The largest of the partitions that the server lets this user drop, in bytes; 0 for any.
    ///
    /// # Errors
    /// Also where the user may not read what the server says.
    pub(crate) async fn drop_limit(&self, partitions: &Partitions) -> Result<u64, WarehouseError> {
        if partitions.is_of_user {
            return Ok(partitions.most_bytes);
        }
        self.drop_limit_of_server().await
    }

    /// The same; where it cannot be read, as the settings of the session say.
    pub(crate) async fn most_bytes_to_drop(&self, partitions: &Partitions) -> u64 {
        let limit = self.drop_limit(partitions).await;
        limit.unwrap_or(partitions.most_bytes)
    }
}
