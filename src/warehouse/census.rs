//! What a census finds, line by line.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::plan::{Census, CensusCell, CensusRow};

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

impl Shard {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(workspace: &str, is_readable: bool, partition: &str, n_rows: u64) -> CensusLine {
        CensusLine {
            ebbtide_workspace: workspace.into(),
            ebbtide_readable: u8::from(is_readable),
            ebbtide_partition: partition.into(),
            ebbtide_rows: n_rows,
            ebbtide_undatable: 1,
            ebbtide_future: 0,
            ebbtide_oldest_ms: Some(5),
            ebbtide_newest_ms: Some(9),
        }
    }

    #[test]
    fn lines_of_a_workspace_are_one_row_and_those_of_nobody_are_none_of_its() {
        // NULL reads as the name without a letter.
        let census = fold(vec![
            line("", false, "1", 2),
            line("", false, "2", 3),
            line("", true, "", 4),
            line("", true, "1", 5),
            line("", true, "2", 6),
            line("a", true, "2", 7),
        ]);
        let rows = census.rows.iter();
        let rows: Vec<_> = rows
            .map(|row| {
                (
                    &*row.workspace,
                    row.is_readable,
                    row.n_rows,
                    row.n_undatable,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [("", false, 5, 2), ("", true, 15, 3), ("a", true, 7, 1)]
        );
        let cells = census.cells.iter();
        let cells: Vec<_> = cells
            .map(|cell| (cell.row, &*cell.partition, cell.n_rows))
            .collect();
        let expected = [
            (0, "1", 1),
            (0, "2", 2),
            (1, "1", 4),
            (1, "2", 5),
            (2, "2", 6),
        ];
        assert_eq!(cells, expected);
    }
}
