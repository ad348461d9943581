//! What a census has told of arms already: their rows are not read a second time.
//!
//! Invariant: an arm is told only where, partition by partition, either every row that the census saw of
//! its workspace is inside of its interval or none is; then there are as many as a count would find.

use super::{Ages, Arm, Census, CensusCell, CensusRow, DueRow, UNPARTITIONED};
use crate::cutoff::Bounds;

/// Longer names of workspaces are left to a count.
const LONGEST_NAME: usize = 1_000;

/// Arms, and what a census says of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told<'c> {
    /// Those of which it says everything.
    pub(crate) arms: Vec<Arm>,
    /// What is due for them, each with the place of its arm.
    pub(crate) cells: Vec<(usize, &'c CensusCell)>,
    /// Those that have to be counted.
    pub(crate) rest: Vec<Arm>,
}

/// Sorts arms of a table without references, which are in the order of the census, by whether it tells
/// what is due for them in some partitions.
pub(crate) fn told(census: &Census, arms: Vec<Arm>, is_within: impl Fn(&str) -> bool) -> Told<'_> {
    let Some(apart_ms) = census.apart_ms else {
        return Told {
            rest: arms,
            ..Told::default()
        };
    };
    let mut told = Told::default();
    let mut cells = Cells {
        census,
        row: 0,
        left: &census.cells,
    };
    for arm in arms {
        // Of a name that may fit into no statement a count says so.
        let is_short = arm.workspace.len() <= LONGEST_NAME;
        let is_plain = is_short && arm.project().is_none() && arm.exceptions().is_empty();
        let is_seen = arm.bounds.below_ms <= apart_ms;
        let of_arm = cells.of(&arm.workspace).filter(|_| is_plain && is_seen);
        let of_arm = of_arm.map(|cells| cells.iter().filter(|cell| is_within(&cell.partition)));
        let due: Option<Vec<&CensusCell>> = of_arm.and_then(|cells| due(arm.bounds, cells));
        let Some(due) = due else {
            told.rest.push(arm);
            continue;
        };
        let at = told.arms.len();
        told.cells.extend(due.into_iter().map(|cell| (at, cell)));
        told.arms.push(arm);
    }
    told
}

/// The cells of the workspaces of a census, one after the other.
struct Cells<'c> {
    census: &'c Census,
    /// The workspace that was asked for last, and the cells that are left from there on.
    row: usize,
    left: &'c [CensusCell],
}

impl<'c> Cells<'c> {
    /// The cells of a workspace, if it is not before the one that was asked for last.
    fn of(&mut self, workspace: &str) -> Option<&'c [CensusCell]> {
        let rows = self.census.rows.get(self.row..)?;
        let is_it = |row: &CensusRow| row.is_readable && *row.workspace == *workspace;
        // Whatever comes behind one that is not there is counted.
        self.row += rows.iter().position(is_it).unwrap_or(rows.len());
        let n_before = self.left.partition_point(|cell| cell.row < self.row);
        self.left = self.left.get(n_before..)?;
        let n_of_it = self.left.partition_point(|cell| cell.row == self.row);
        let is_there = self.row < self.census.rows.len();
        self.left.get(..n_of_it).filter(|_| is_there)
    }
}

/// The cells with rows in an interval; nothing if one lies across a bound.
fn due<'c>(
    bounds: Bounds,
    cells: impl Iterator<Item = &'c CensusCell>,
) -> Option<Vec<&'c CensusCell>> {
    let mut due = Vec::new();
    for cell in cells {
        if bounds.covers(cell.oldest_ms, cell.newest_ms) {
            due.push(cell);
        } else if !bounds.misses(cell.oldest_ms, cell.newest_ms) {
            return None;
        }
    }
    Some(due)
}

impl CensusCell {
    /// What a count would have said of an arm that covers it.
    pub(crate) fn due_row(&self, arm: &Arm) -> DueRow {
        let partition = if &*self.partition == UNPARTITIONED {
            ""
        } else {
            &self.partition
        };
        DueRow {
            workspace: arm.workspace.to_string(),
            project: String::new(),
            partition: partition.to_owned(),
            n_due: self.n_rows,
            n_kept: 0,
            ages: Ages {
                oldest_ms: Some(self.oldest_ms),
                newest_ms: Some(self.newest_ms),
            },
        }
    }
}

#[cfg(test)]
mod tests;
