//! What probing a warehouse found.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Ages, Arm, ByHand, Histogram, Obstacle, Partition, Rates};
use crate::cutoff::Bounds;

/// One workspace of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CensusRow {
    /// Its name; the bytes in hexadecimal where they are not UTF-8.
    pub workspace: Arc<str>,
    /// Whether there is a name and it is UTF-8. Rows without a readable name have no policy.
    pub is_readable: bool,
    /// Its rows.
    pub n_rows: u64,
    /// Rows without an age: ids that are not version 7, times that are NULL.
    pub n_undatable: u64,
    /// Rows dated more than a day after the census.
    pub n_future: u64,
    /// The age of its oldest row in Unix milliseconds, if any row has one.
    pub oldest_ms: Option<i64>,
}

/// What a census found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// One for each workspace.
    pub rows: Vec<CensusRow>,
    /// The instant, in Unix milliseconds, below which partitions are told apart, if they are.
    pub apart_ms: Option<i64>,
    /// What is older than that, in the order of the rows.
    pub cells: Vec<CensusCell>,
}

/// The rows of one workspace in one partition that have an age and are older than
/// [`Census::apart_ms`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CensusCell {
    /// The place of the workspace in [`Census::rows`].
    pub row: usize,
    /// The id of the partition; `all` where the table has no partition key.
    pub partition: Arc<str>,
    /// How many there are.
    pub n_rows: u64,
    /// The age of the oldest in Unix milliseconds.
    pub oldest_ms: i64,
    /// The age of the newest in Unix milliseconds.
    pub newest_ms: i64,
}

/// The expired rows of one arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    /// The workspace.
    pub workspace: String,
    /// The project; empty where the probe did not ask for projects.
    pub project: String,
    /// The id of the partition; empty where the table has no partition key.
    pub partition: String,
    /// Expired rows that nothing protects.
    pub n_due: u64,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// From when those are that nothing protects.
    pub ages: Ages,
}

/// One table of one shard, probed.
#[derive(Debug, Clone, Default)]
pub struct TableInventory {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// Totals of the census.
    pub totals: Totals,
    /// The arms with their counts, without rows of partitions that go as a whole.
    pub arms: Vec<Arm>,
    /// What is due beside them, where that was too much to be counted.
    pub uncounted: Option<Uncounted>,
    /// Its partitions with their counts; none where nobody looked.
    pub partitions: Vec<Partition>,
    /// Which arm has rows in which partition; nothing where there is only one, or too many to keep.
    pub cells: Option<Vec<Cell>>,
    /// When the rows of arms are from that have more due than go in one step.
    pub histograms: Vec<Histogram>,
    /// The interval in which everybody's rows are expired, if partitions go as a whole.
    pub expired: Option<Bounds>,
    /// What is in the way of partitions that could go as a whole, if there are any.
    pub obstacle: Option<Obstacle>,
    /// What only a person can decide.
    pub by_hand: Vec<ByHand>,
    /// What deleting costs there.
    pub rates: Rates,
    /// Rows that go once what holds now is approved, or has been armed for long enough.
    pub n_waiting: u64,
    /// Rows that would go if nothing were held.
    pub n_held: u64,
    /// Rows that would go if nothing were paused.
    pub n_paused: u64,
    /// Seconds from the oldest expired row to its cutoff, paused ones included.
    pub lag_s: u32,
    /// The holds that took something out of an arm.
    pub holds: Vec<u64>,
    /// The rows of a step, where earlier ones were too much for the server; at most what the limits
    /// of the plan say.
    pub rows_per_step: Option<u64>,
    /// Rows that were deleted from it on this UTC day.
    pub n_deleted_today: u64,
    /// How long the census and all probes took.
    pub probed_in: Duration,
}

/// The expired rows of one arm in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The place of the arm in [`TableInventory::arms`].
    pub arm: usize,
    /// The place of the partition in [`TableInventory::partitions`].
    pub partition: usize,
    /// Expired rows that will go.
    pub n_due: u64,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// Seconds from the oldest that will go to the end of the arm.
    pub lag_s: u32,
    /// Seconds from the newest that will go to the same instant, if any will.
    pub least_lag_s: Option<u32>,
}

/// What of a table was too much to be counted at once; none of it goes in this cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncounted {
    /// Of how many workspaces.
    pub n_workspaces: u64,
    /// No more rows than these are due, as the census saw it.
    pub n_at_most: u64,
}

/// The totals of a table. All but its rows are nothing where only what may be expired was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Workspaces with rows.
    pub n_workspaces: Option<u64>,
    /// Rows.
    pub n_rows: u64,
    /// Rows without an age; they are never deleted.
    pub n_undatable: Option<u64>,
    /// Rows dated more than a day in the future; they are never expired.
    pub n_future: Option<u64>,
    /// Rows whose workspace is NULL or no UTF-8; they have no policy and stay.
    pub n_unreadable: Option<u64>,
}

impl Totals {
    /// Adds up a census of a whole table.
    pub fn of(census: &[CensusRow]) -> Self {
        let sum = |of: fn(&CensusRow) -> u64| census.iter().map(of).sum::<u64>();
        Self {
            n_workspaces: u64::try_from(census.len()).ok(),
            n_rows: sum(|row| row.n_rows),
            n_undatable: Some(sum(|row| row.n_undatable)),
            n_future: Some(sum(|row| row.n_future)),
            n_unreadable: Some(sum(|row| if row.is_readable { 0 } else { row.n_rows })),
        }
    }
}

impl TableInventory {
    /// Whether it is known which rows are due in which partition.
    pub(super) fn knows_partitions(&self) -> bool {
        self.cells.is_some() || self.n_due_partitions() <= 1
    }

    fn n_due_partitions(&self) -> usize {
        let of_rest = |part: &&Partition| !part.goes_whole && part.n_due > 0;
        self.partitions.iter().filter(of_rest).count()
    }

    /// The arms with rows due in some partitions, with their counts there; all that are due if no
    /// partition is named.
    pub(super) fn take_arms(&mut self, partitions: &[Arc<str>]) -> Vec<Arm> {
        let Some(cells) = self.cells.as_ref().filter(|_| !partitions.is_empty()) else {
            // Nobody needs them again: a million arms are not copied.
            let mut arms = std::mem::take(&mut self.arms);
            arms.retain(|arm| arm.n_due > 0);
            return arms;
        };
        let is_named = |cell: &&Cell| {
            let partition = self.partitions.get(cell.partition);
            partition.is_some_and(|partition| partitions.contains(&partition.id))
        };
        let of_cell = |cell: &Cell| {
            let arm = self.arms.get(cell.arm)?;
            Some(Arm {
                n_due: cell.n_due,
                n_kept: cell.n_kept,
                lag_s: cell.lag_s,
                least_lag_s: cell.least_lag_s,
                ..arm.clone()
            })
        };
        let named = cells.iter().filter(is_named);
        named
            .filter(|cell| cell.n_due > 0)
            .filter_map(of_cell)
            .collect()
    }
}
