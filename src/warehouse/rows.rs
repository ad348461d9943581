//! What probes count. A probe that does not come to its end is an error: unknown, never nothing.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::plan::{Ages, Bucket, Census, CensusCell, CensusRow, DueRow};
use crate::sql::sql;

/// A line of a census, with the column names that the compiler writes.
#[derive(clickhouse::Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
struct CensusLine {
    ebbtide_workspace: String,
    ebbtide_readable: u8,
    ebbtide_partition: String,
    ebbtide_rows: u64,
    ebbtide_undatable: u64,
    ebbtide_future: u64,
    ebbtide_oldest_ms: Option<i64>,
    ebbtide_newest_ms: Option<i64>,
}

/// Puts the lines of each workspace, which stand together, into one row.
fn fold(lines: Vec<CensusLine>) -> Census {
    let mut census = Census {
        rows: Vec::with_capacity(lines.len()),
        ..Census::default()
    };
    let mut partitions: HashMap<String, Arc<str>> = HashMap::new();
    for line in lines {
        let is_readable = line.ebbtide_readable == 1;
        let is_of = |row: &&mut CensusRow| {
            *row.workspace == *line.ebbtide_workspace && row.is_readable == is_readable
        };
        match census.rows.last_mut().filter(is_of) {
            Some(row) => {
                row.n_rows += line.ebbtide_rows;
                row.n_undatable += line.ebbtide_undatable;
                row.n_future += line.ebbtide_future;
                row.oldest_ms = row
                    .oldest_ms
                    .into_iter()
                    .chain(line.ebbtide_oldest_ms)
                    .min();
            }
            None => census.rows.push(CensusRow {
                workspace: line.ebbtide_workspace.into(),
                is_readable,
                n_rows: line.ebbtide_rows,
                n_undatable: line.ebbtide_undatable,
                n_future: line.ebbtide_future,
                oldest_ms: line.ebbtide_oldest_ms,
            }),
        }
        let ages = line.ebbtide_oldest_ms.zip(line.ebbtide_newest_ms);
        if let Some((oldest_ms, newest_ms)) = ages.filter(|_| !line.ebbtide_partition.is_empty()) {
            let id = line.ebbtide_partition;
            let partition = partitions
                .entry(id)
                .or_insert_with_key(|id| id.as_str().into());
            census.cells.push(CensusCell {
                row: census.rows.len() - 1,
                partition: Arc::clone(partition),
                n_rows: line.ebbtide_rows.saturating_sub(line.ebbtide_undatable),
                oldest_ms,
                newest_ms,
            });
        }
    }
    census
}

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

    /// Runs a compiled census. The columns are those that [`crate::census`] lists.
    ///
    /// # Errors
    /// Also when the probe ran out of its limits: the census is unknown then.
    pub async fn census(&self, sql: &str) -> Result<Census, WarehouseError> {
        Ok(fold(self.fetch_in_turn(self.counting(sql)).await?))
    }

    /// The same with lines for partitions, if these are not more than the limit.
    pub(crate) async fn census_apart(&self, sql: &str) -> Result<Census, WarehouseError> {
        let query = self.counting(sql);
        let query = query.with_setting("max_rows_to_group_by", self.probe_groups.to_string());
        Ok(fold(self.fetch_in_turn(query).await?))
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
