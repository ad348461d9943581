//! What was counted of arms, and what was not.

use std::sync::Arc;

use super::Place;
use super::due::tally_up;
use super::oldest::Oldest;
use crate::engine::report::lag_s as lag_s_of;
use crate::engine::tally::Tally;
use crate::plan::{Arm, DueRow, told};
use crate::warehouse::WarehouseError;

/// Arms with their counts.
#[derive(Default)]
pub(in crate::engine) struct Counted {
    pub(in crate::engine) arms: Vec<Arm>,
    /// They fit into no statement.
    pub(in crate::engine) oversized: Vec<Arm>,
    /// They wait for another cycle: together with the others they are too much.
    pub(in crate::engine) uncounted: Vec<Arm>,
    /// Not even the least of them could be counted, each by itself, and why.
    pub(in crate::engine) unknown: Vec<(Arm, String)>,
    /// Why the last look was too much.
    pub(super) too_much: Option<WarehouseError>,
}

impl Counted {
    pub(in crate::engine) fn n_due(&self) -> u64 {
        self.arms.iter().map(|arm| arm.n_due).sum()
    }

    /// Seconds from the oldest row to its cutoff; of what was not counted, at most.
    pub(in crate::engine) fn lag_s(&self, oldest: &Oldest<'_>) -> u32 {
        let lag_s = |arm: &Arm| arm.lag_of(oldest.ms(&arm.workspace).max(arm.bounds.from_ms));
        let unknown = self.unknown.iter().map(|(arm, _)| arm);
        let uncounted = self.uncounted.iter().chain(unknown).map(lag_s);
        uncounted.fold(lag_s_of(&self.arms), u32::max)
    }

    /// Whose rows are there, or may be.
    pub(in crate::engine) fn workspaces(&self) -> impl Iterator<Item = Arc<str>> {
        let due = self.arms.iter().filter(|arm| arm.n_due > 0);
        let unknown = self.unknown.iter().map(|(arm, _)| arm);
        let may_be = self.oversized.iter().chain(&self.uncounted).chain(unknown);
        let of_arm = |arm: &Arm| Arc::clone(&arm.workspace);
        due.chain(may_be).map(of_arm)
    }

    /// Takes over what the census tells of some arms; returns those that have to be counted.
    pub(super) fn tell(&mut self, place: Place<'_>, arms: Vec<Arm>, tally: &mut Tally) -> Vec<Arm> {
        // It says nothing of what other tables refer to.
        if !place.target.keep.is_empty() {
            return arms;
        }
        let told = told(place.census, arms, place.within.has());
        let first = self.arms.len();
        self.add(told.arms, &[], tally);
        for (at, cell) in told.cells {
            if let Some(arm) = self.arms.get_mut(first + at) {
                let row = cell.due_row(arm);
                tally.add(&row, arm, first + at);
            }
        }
        told.rest
    }

    /// Adds arms with what was counted of them.
    pub(super) fn add(&mut self, mut arms: Vec<Arm>, rows: &[(usize, DueRow)], tally: &mut Tally) {
        tally_up(&mut arms, rows, self.arms.len(), tally);
        self.arms.append(&mut arms);
    }

    /// Takes over what was counted anew of its arms.
    pub(in crate::engine) fn follow(&mut self, anew: Self) {
        self.arms = anew.arms;
        self.oversized.extend(anew.oversized);
        self.uncounted.extend(anew.uncounted);
        self.unknown.extend(anew.unknown);
    }

    /// What waits goes on in the next cycle only if something goes in this one.
    ///
    /// # Errors
    /// Where nothing is due as far as that could be counted, and more could not be.
    pub(in crate::engine) fn unless_nothing(mut self) -> Result<Self, WarehouseError> {
        let is_stuck = self.n_due() == 0 && !self.uncounted.is_empty();
        match self.too_much.take() {
            Some(error) if is_stuck => Err(error),
            too_much => Ok(Self { too_much, ..self }),
        }
    }
}
