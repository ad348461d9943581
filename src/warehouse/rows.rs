//! What probes count. A probe that does not come to its end is an error: unknown, never nothing.

use std::sync::Arc;

use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::plan::{Ages, Bucket, DueRow};
use crate::sql::sql;

/// A row of a count of what is due, with the column names that the compiler writes.
#[derive(clickhouse::Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
struct RawDueRow {
    ebbtide_workspace: String,
    ebbtide_project: String,
    ebbtide_partition: String,
    ebbtide_due: u64,
    ebbtide_kept: u64,
    ebbtide_oldest_ms: Option<i64>,
    ebbtide_newest_ms: Option<i64>,
}

impl From<RawDueRow> for DueRow {
    fn from(raw: RawDueRow) -> Self {
        Self {
            workspace: raw.ebbtide_workspace,
            project: raw.ebbtide_project,
            partition: raw.ebbtide_partition,
            n_due: raw.ebbtide_due,
            n_kept: raw.ebbtide_kept,
            ages: Ages {
                oldest_ms: raw.ebbtide_oldest_ms,
                newest_ms: raw.ebbtide_newest_ms,
            },
        }
    }
}

/// A row of a count of when rows are from, with the column names that the compiler writes.
#[derive(clickhouse::Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
struct RawTimeRow {
    ebbtide_workspace: String,
    ebbtide_project: String,
    ebbtide_partition: String,
    ebbtide_due: u64,
    ebbtide_kept: u64,
    ebbtide_oldest_ms: Option<i64>,
    ebbtide_newest_ms: Option<i64>,
    ebbtide_from_ms: i64,
}

/// The expired rows of one workspace or project in one stretch of time.
#[derive(Debug)]
pub(crate) struct TimeRow {
    pub(crate) workspace: Arc<str>,
    /// Empty where the count did not ask for projects.
    pub(crate) project: Arc<str>,
    pub(crate) bucket: Bucket,
}

impl From<RawTimeRow> for TimeRow {
    fn from(raw: RawTimeRow) -> Self {
        Self {
            workspace: raw.ebbtide_workspace.into(),
            project: raw.ebbtide_project.into(),
            bucket: Bucket {
                partition: raw.ebbtide_partition.into(),
                from_ms: raw.ebbtide_from_ms,
                n_due: raw.ebbtide_due,
                n_kept: raw.ebbtide_kept,
                ages: Ages {
                    oldest_ms: raw.ebbtide_oldest_ms,
                    newest_ms: raw.ebbtide_newest_ms,
                },
            },
        }
    }
}

/// A line of `EXPLAIN ESTIMATE`.
#[derive(clickhouse::Row, Deserialize)]
#[expect(dead_code, reason = "the server sends all of its columns")]
struct EstimateRow {
    database: String,
    table: String,
    parts: u64,
    rows: u64,
    marks: u64,
}

/// What a delete would take, with the column names that the compiler writes.
#[derive(clickhouse::Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
pub(crate) struct PreviewRow {
    pub(crate) ebbtide_due: u64,
    pub(crate) ebbtide_kept: u64,
    pub(crate) ebbtide_oldest_ms: Option<i64>,
    pub(crate) ebbtide_newest_ms: Option<i64>,
    pub(crate) ebbtide_parts: Vec<String>,
}

/// What partitions hold that might go as a whole, with the column names that the compiler writes.
#[derive(clickhouse::Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
pub(crate) struct StraysRow {
    pub(crate) ebbtide_partition: String,
    pub(crate) ebbtide_rows: u64,
    pub(crate) ebbtide_strays: u64,
    pub(crate) ebbtide_oldest_ms: Option<i64>,
    pub(crate) ebbtide_newest_ms: Option<i64>,
    pub(crate) ebbtide_parts: Vec<String>,
}

/// What a table holds in parts without a mask.
#[derive(clickhouse::Row, Deserialize)]
struct UnmaskedRows {
    n_rows: u64,
    n_masked_parts: u64,
}

/// What is left under a predicate.
#[derive(clickhouse::Row, Deserialize)]
struct LeftRow {
    ebbtide_left: u64,
}

impl Shard {
    /// Runs a compiled proof for whole partitions. The columns are those that [`crate::strays`]
    /// lists; a partition without rows has no line.
    pub(crate) async fn strays(&self, sql: &str) -> Result<Vec<StraysRow>, WarehouseError> {
        self.fetch_in_turn(self.counting(sql)).await
    }

    /// Runs a compiled preview. The columns are those that [`crate::preview`] lists.
    pub(crate) async fn preview(&self, sql: &str) -> Result<PreviewRow, WarehouseError> {
        self.fetch_one_in_turn(self.counting(sql)).await
    }

    /// An upper bound of the rows that a read opens, from indexes alone.
    pub(crate) async fn estimate(&self, sql: &str) -> Result<u64, WarehouseError> {
        let query = self
            .probes
            .query_raw(&format!("EXPLAIN ESTIMATE {sql}"))
            // It reads nothing, however much it says.
            // What is answered without reading would look like nothing.
            .with_setting("optimize_use_projections", "0")
            .with_setting("optimize_use_implicit_projections", "0");
        let rows: Vec<EstimateRow> = self.fetch(query).await?;
        Ok(rows.iter().map(|row| row.rows).sum())
    }

    /// The rows of a table without masked ones. Parts without a mask are not opened, and of others the
    /// mask alone, so no limit of rows is for it. Where that takes too long, their rows are left
    /// out, and the second value is why.
    pub(crate) async fn count_rows(
        &self,
        table: &str,
    ) -> Result<(u64, Option<WarehouseError>), WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/unmasked_rows.sql"))
            .param("table", table);
        let unmasked: UnmaskedRows = self.fetch_one(query).await?;
        if unmasked.n_masked_parts == 0 {
            return Ok((unmasked.n_rows, None));
        }
        let query = self
            .probes
            .query_raw(sql!("clickhouse/rows_of_masked_parts.sql"))
            .param("name", table);
        match self.fetch_one_in_turn::<u64>(query).await {
            Ok(n_rows) => Ok((unmasked.n_rows.saturating_add(n_rows), None)),
            Err(error) if error.is_out_of_limits() => Ok((unmasked.n_rows, Some(error))),
            Err(error) => Err(error),
        }
    }

    /// Runs a compiled count of what is due. The columns are those that [`crate::probe`] lists.
    ///
    /// # Errors
    /// Also when the probe ran out of its limits: what is due is unknown then.
    pub async fn count_due(&self, sql: &str) -> Result<Vec<DueRow>, WarehouseError> {
        let rows = self.fetch_in_turn::<RawDueRow>(self.counting(sql)).await?;
        Ok(rows.into_iter().map(DueRow::from).collect())
    }

    /// Runs a compiled count of when rows are from.
    pub(crate) async fn count_times(&self, sql: &str) -> Result<Vec<TimeRow>, WarehouseError> {
        let rows = self.fetch_in_turn::<RawTimeRow>(self.counting(sql)).await?;
        Ok(rows.into_iter().map(TimeRow::from).collect())
    }

    /// Runs a compiled count of what is left under a predicate.
    pub(crate) async fn recount(&self, sql: &str) -> Result<u64, WarehouseError> {
        let row: LeftRow = self.fetch_one_in_turn(self.counting(sql)).await?;
        Ok(row.ebbtide_left)
    }

    /// A probe answered for a group that it was not asked for.
    pub(crate) fn unexpected_group(&self, workspace: &str) -> WarehouseError {
        WarehouseError::Answer {
            shard: self.name().to_owned(),
            reason: format!("a probe counted workspace {workspace:?}, which it was not asked for"),
        }
    }
}
