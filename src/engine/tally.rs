//! Adding up what a probe counted, arm by arm and partition by partition.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::plan::{Ages, Arm, Cell, DueRow, Partition, UNPARTITIONED};

/// More cells than this are not kept: such a table is then deleted from as a whole.
const MOST_CELLS: usize = 250_000;

/// What was counted in the partitions of a table.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) partitions: Vec<Partition>,
    pub(super) cells: Option<Vec<Cell>>,
    places: HashMap<Arc<str>, usize>,
    is_wanted: bool,
}

impl Tally {
    /// For partitions that the server listed. What was counted before in those that do not go as a
    /// whole is forgotten.
    pub(super) fn of(mut partitions: Vec<Partition>) -> Self {
        let mut places = HashMap::with_capacity(partitions.len());
        for (at, partition) in partitions.iter_mut().enumerate() {
            places.insert(Arc::clone(&partition.id), at);
            if !partition.goes_whole {
                (partition.n_due, partition.n_kept) = (0, 0);
                partition.ages = Ages::default();
            }
        }
        Self {
            partitions,
            cells: Some(Vec::new()),
            places,
            is_wanted: true,
        }
    }

    /// Adds a line of a probe to its arm, which has a place in the inventory.
    pub(super) fn add(&mut self, row: &DueRow, arm: &mut Arm, place: usize) {
        arm.count(row.n_due, row.n_kept, row.ages);
        let id = if row.partition.is_empty() {
            UNPARTITIONED
        } else {
            &row.partition
        };
        let Some(at) = self.place(id) else { return };
        let Some(partition) = self.partitions.get_mut(at) else {
            return;
        };
        partition.n_due += row.n_due;
        partition.n_kept += row.n_kept;
        partition.ages = partition.ages.and(row.ages);
        if row.partition.is_empty() {
            return;
        }
        if let Some(cells) = &mut self.cells {
            cells.push(Cell {
                arm: place,
                partition: at,
                n_due: row.n_due,
                n_kept: row.n_kept,
                lag_s: arm.lag_of(row.ages.oldest_ms),
                least_lag_s: row.ages.newest_ms.map(|_| arm.lag_of(row.ages.newest_ms)),
            });
            if cells.len() > MOST_CELLS {
                self.cells = None;
            }
        }
    }

    /// Forgets what was counted of an arm, which had a place in the inventory.
    pub(super) fn forget(&mut self, arm: &Arm, place: usize) {
        let mut of_arm: Vec<Cell> = Vec::new();
        if let Some(cells) = &mut self.cells {
            of_arm.extend(cells.extract_if(.., |cell| cell.arm == place));
        }
        if of_arm.is_empty() {
            let all = self.places.get(UNPARTITIONED).copied();
            of_arm.extend(all.map(|partition| Cell {
                arm: place,
                partition,
                n_due: arm.n_due,
                n_kept: arm.n_kept,
                lag_s: arm.lag_s,
                least_lag_s: arm.least_lag_s,
            }));
        }
        for cell in of_arm {
            if let Some(partition) = self.partitions.get_mut(cell.partition) {
                partition.n_due = partition.n_due.saturating_sub(cell.n_due);
                partition.n_kept = partition.n_kept.saturating_sub(cell.n_kept);
            }
        }
    }

    /// The place of a partition, also of one that is new.
    fn place(&mut self, id: &str) -> Option<usize> {
        if !self.is_wanted {
            return None;
        }
        if let Some(at) = self.places.get(id) {
            return Some(*at);
        }
        let at = self.partitions.len();
        let id: Arc<str> = id.into();
        self.places.insert(Arc::clone(&id), at);
        self.partitions.push(Partition {
            value: id.to_string(),
            id,
            ..Partition::default()
        });
        Some(at)
    }
}
