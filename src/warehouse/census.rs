//! What a census finds, line by line.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
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
    ebbtide_part: String,
    ebbtide_rows: u64,
    ebbtide_undatable: u64,
    ebbtide_future: u64,
    ebbtide_oldest_ms: Option<i64>,
    ebbtide_newest_ms: Option<i64>,
}

/// Rows of one part that have an age and a readable workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenPart {
    /// How many there are.
    pub(crate) n_rows: u64,
    /// The age of the oldest in Unix milliseconds.
    pub(crate) oldest_ms: i64,
    /// The age of the newest in Unix milliseconds.
    pub(crate) newest_ms: i64,
}

/// Puts the lines of each workspace, which stand together, into one row, and those of each of its
/// partitions, which do too, into one cell; and says what was seen in parts, whosever it is.
fn fold(lines: Vec<CensusLine>) -> (Census, HashMap<String, SeenPart>) {
    let mut census = Census {
        rows: Vec::with_capacity(lines.len()),
        ..Census::default()
    };
    let mut partitions: HashSet<Arc<str>> = HashSet::new();
    let mut parts: HashMap<String, SeenPart> = HashMap::new();
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
        let Some((oldest_ms, newest_ms)) = ages.filter(|_| !line.ebbtide_partition.is_empty())
        else {
            continue;
        };
        let n_rows = line.ebbtide_rows.saturating_sub(line.ebbtide_undatable);
        let row = census.rows.len() - 1;
        let id = &*line.ebbtide_partition;
        let is_of = |cell: &&mut CensusCell| cell.row == row && *cell.partition == *id;
        match census.cells.last_mut().filter(is_of) {
            Some(cell) => {
                cell.n_rows += n_rows;
                cell.oldest_ms = cell.oldest_ms.min(oldest_ms);
                cell.newest_ms = cell.newest_ms.max(newest_ms);
            }
            None => census.cells.push(CensusCell {
                row,
                partition: shared(id, &mut partitions),
                n_rows,
                oldest_ms,
                newest_ms,
            }),
        }
        if is_readable && !line.ebbtide_part.is_empty() {
            let part = parts.entry(line.ebbtide_part).or_insert(SeenPart {
                n_rows: 0,
                oldest_ms,
                newest_ms,
            });
            part.n_rows += n_rows;
            part.oldest_ms = part.oldest_ms.min(oldest_ms);
            part.newest_ms = part.newest_ms.max(newest_ms);
        }
    }
    (census, parts)
}

/// The name as the cells before have it.
fn shared(id: &str, partitions: &mut HashSet<Arc<str>>) -> Arc<str> {
    if let Some(known) = partitions.get(id) {
        return Arc::clone(known);
    }
    let new: Arc<str> = id.into();
    partitions.insert(Arc::clone(&new));
    new
}

impl Shard {
    /// Runs a compiled census. The columns are those that [`crate::census`] lists.
    ///
    /// # Errors
    /// Also when the probe ran out of its limits: the census is unknown then.
    pub async fn census(&self, sql: &str) -> Result<Census, WarehouseError> {
        Ok(fold(self.fetch_in_turn(self.counting(sql)).await?).0)
    }

    /// The same with lines for partitions or parts, if these are not more than the limit, and what was seen
    /// in parts.
    pub(crate) async fn census_apart(
        &self,
        sql: &str,
    ) -> Result<(Census, HashMap<String, SeenPart>), WarehouseError> {
        let query = self.counting(sql);
        let query = query.with_setting("max_rows_to_group_by", self.probe_groups.to_string());
        Ok(fold(self.fetch_in_turn(query).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(workspace: &str, is_readable: bool, part: &str, n_rows: u64) -> CensusLine {
        CensusLine {
            ebbtide_workspace: workspace.into(),
            ebbtide_readable: u8::from(is_readable),
            ebbtide_partition: part.split('_').next().unwrap().into(),
            ebbtide_part: part.into(),
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
        let (census, parts) = fold(vec![
            line("", false, "1_1_1_0", 2),
            line("", false, "2_1_1_0", 3),
            line("", true, "", 4),
            line("", true, "1_1_1_0", 5),
            line("", true, "2_1_1_0", 6),
            line("", true, "2_2_4_1_7", 10),
            line("a", true, "2_1_1_0", 7),
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
            [("", false, 5, 2), ("", true, 25, 4), ("a", true, 7, 1)]
        );
        let cells = census.cells.iter();
        let cells: Vec<_> = cells
            .map(|cell| (cell.row, &*cell.partition, cell.n_rows))
            .collect();
        let expected = [
            (0, "1", 1),
            (0, "2", 2),
            (1, "1", 4),
            (1, "2", 5 + 9),
            (2, "2", 6),
        ];
        assert_eq!(cells, expected);
        // Rows of nobody prove nothing of a part.
        let mut parts: Vec<_> = parts.iter().collect();
        parts.sort_by_key(|(name, _)| *name);
        let n_rows = parts
            .iter()
            .map(|(name, part)| (name.as_str(), part.n_rows));
        let expected = [("1_1_1_0", 4), ("2_1_1_0", 5 + 6), ("2_2_4_1_7", 9)];
        assert_eq!(n_rows.collect::<Vec<_>>(), expected);
    }
}
