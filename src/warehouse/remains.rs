//! Rows that are deleted and still on disk, and the statements that free it.
//!
//! Measured on 26.7:
//!
//! - `system.parts.has_lightweight_delete` says which parts have a mask. It does not say how many rows
//!   are masked: `rows` counts them too. `_row_exists`, read without applying the mask, does, and reading it costs
//!   next to nothing: only parts with a mask are opened.
//! - Nothing says how old a mask is. Every mutation gives every part of its table a new time and a
//!   new version, also where nothing matches. So the time of a part only says since when at the latest, and the
//!   ledger remembers since when rows were seen. A mutation keeps the blocks and the level of a part, its
//!   stem; a merge makes another one, without the dead rows. So it remembers stem by stem.
//! - `APPLY DELETED MASK IN PARTITION ID` is a mutation. It rewrites the parts of this partition that
//!   have a mask; all others, of a table without replicas also those of other partitions, are only
//!   registered and linked. A part of dead rows alone becomes empty, and goes.
//! - A delete in a patch part (`patch-<digest>-<partition>`) becomes a mask by any mutation, for instance
//!   by `APPLY PATCHES`; one that is to apply the mask only turns the patch into one, and frees nothing.
//!   So it takes two statements. The patch part stays in the list for a while; what waits
//!   for it has an older version than it has.
//! - `system.mutations` shows the command without a place for a marker of ours: what became of it is
//!   not asked there. It is asked whether the query runs, whether any mutation of the table is
//!   unfinished, and then the dead rows are counted.

use serde::Deserialize;

use super::{Execution, Request, Shard, WarehouseError};
use crate::plan::Disk;
use crate::sql::sql;

/// A partition in which deleted rows may still be on disk.
#[derive(Debug, Clone, clickhouse::Row, Deserialize)]
pub(crate) struct MaskedPartition {
    pub(crate) table: String,
    pub(crate) partition: String,
    pub(crate) n_rows: u64,
    pub(crate) has_patches: bool,
    pub(crate) patch_age_s: u64,
    pub(crate) n_unfinished: u64,
    free_bytes: u64,
    total_bytes: u64,
}

/// How many they are.
#[derive(Debug, Clone, Default, clickhouse::Row, Deserialize)]
pub(crate) struct MaskedRows {
    pub(crate) partition: String,
    pub(crate) n_dead: u64,
    pub(crate) dead_bytes: u64,
    pub(crate) rewrite_bytes: u64,
    /// Parts that hold them by their stem, and the seconds since each was masked at the latest; nothing
    /// where the mask is in a patch.
    pub(crate) masks: Vec<(String, Option<u64>)>,
}

/// A statement that frees the disk of deleted rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Deletes that wait in patch parts become masks.
    Patches,
    /// Masks are applied.
    Masks,
}

impl Rewrite {
    /// The text; table and partition are parameters.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Patches => sql!("clickhouse/apply_patches.sql"),
            Self::Masks => sql!("clickhouse/apply_deleted_mask.sql"),
        }
    }

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Patches => "patches",
            Self::Masks => "masks",
        }
    }
}

impl Shard {
    /// The partitions of these tables in which deleted rows may still be on disk: one question, and
    /// no table is read.
    pub(crate) async fn masked_partitions(
        &self,
        tables: &[&str],
    ) -> Result<Vec<MaskedPartition>, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/masked_partitions.sql"))
            .param("tables", tables);
        self.fetch(query).await
    }

    /// Counts the deleted rows of a table that are still on disk, by partition; of one partition where it is
    /// named. Partitions without any have no line.
    pub(crate) async fn masked_rows(
        &self,
        table: &str,
        partition: Option<&str>,
    ) -> Result<Vec<MaskedRows>, WarehouseError> {
        let query = self
            .counting(sql!("clickhouse/masked_rows.sql"))
            .with_setting("apply_deleted_mask", "0")
            .param("name", table)
            .param("partition", partition.unwrap_or_default());
        self.fetch_in_turn(query).await
    }

    /// Sends a rewrite of a partition, once, and waits until it is over.
    pub(crate) async fn rewrite(
        &self,
        rewrite: Rewrite,
        (table, partition): (&str, &str),
        (query_id, log_comment): (&str, &str),
    ) -> Execution {
        self.execute(&Request {
            sql: rewrite.sql(),
            query_id,
            log_comment,
            marker: log_comment,
            // It has no marker to be found by.
            is_mutation: false,
            // On all replicas, as a delete.
            settings: &[("mutations_sync", "2")],
            params: &[("name", table), ("partition", partition)],
        })
        .await
    }
}

impl MaskedPartition {
    /// The disk that its parts are on; nothing where the server does not say.
    pub(crate) fn disk(&self) -> Option<Disk> {
        (self.total_bytes > 0).then_some(Disk {
            free_bytes: self.free_bytes,
            total_bytes: self.total_bytes,
        })
    }
}
