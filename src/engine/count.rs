//! Counting what is due. What is too much for one look is narrowed: fewer arms at once where that reads
//! less, and else only their oldest rows.
//!
//! Invariant: an arm is counted in exactly the interval that it has afterwards, and what of it was not
//! counted is said. Where nothing that may go could be counted that is an error: unknown, never nothing.

mod left;

use std::sync::{Arc, OnceLock};

use foldhash::{HashMap, HashMapExt};

use super::report::lag_s as lag_s_of;
use super::tally::Tally;
use super::{Engine, error_chain};
use crate::compile::{self, Within};
use crate::plan::{Arm, Census, CensusRow, DueRow, Slice, pack, told};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

/// So often may looks at a table go beyond their limits.
pub(super) const PATIENCE: u32 = 64;
/// One that is given up after it read counts for so many that are not begun.
const WORTH_OF_READING: u32 = 8;

/// Where what is counted is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) shard: &'a Shard,
    pub(super) target: &'a CheckedTarget,
    pub(super) within: Within<'a>,
    /// What is known of it already.
    pub(super) census: &'a Census,
    /// The oldest rows of the workspaces.
    pub(super) oldest: &'a Oldest<'a>,
}

impl<'a> Place<'a> {
    /// The same without some partitions.
    pub(super) fn except(self, ids: &'a [Arc<str>]) -> Self {
        Self {
            within: Within::Except(ids),
            ..self
        }
    }
}

/// How old the oldest row of each workspace is, for whoever has to know.
pub(super) struct Oldest<'a> {
    census: &'a [CensusRow],
    known: OnceLock<HashMap<Arc<str>, i64>>,
}

impl<'a> Oldest<'a> {
    pub(super) fn of(census: &'a [CensusRow]) -> Self {
        let known = OnceLock::new();
        Self { census, known }
    }

    pub(super) fn ms(&self, workspace: &str) -> Option<i64> {
        let known = self.known.get_or_init(|| {
            let readable = self.census.iter().filter(|row| row.is_readable);
            let rows =
                readable.filter_map(|row| Some((Arc::clone(&row.workspace), row.oldest_ms?)));
            rows.collect()
        });
        known.get(workspace).copied()
    }
}

/// Arms with their counts.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) arms: Vec<Arm>,
    /// They fit into no statement.
    pub(super) oversized: Vec<Arm>,
    /// They wait for another cycle: together with the others they are too much.
    pub(super) uncounted: Vec<Arm>,
    /// Not even the least of them could be counted, each by itself, and why.
    pub(super) unknown: Vec<(Arm, String)>,
    /// Why the last look was too much.
    too_much: Option<WarehouseError>,
}

impl Counted {
    pub(super) fn n_due(&self) -> u64 {
        self.arms.iter().map(|arm| arm.n_due).sum()
    }

    /// Seconds from the oldest row to its cutoff; of what was not counted, at most.
    pub(super) fn lag_s(&self, oldest: &Oldest<'_>) -> u32 {
        let lag_s = |arm: &Arm| arm.lag_of(oldest.ms(&arm.workspace).max(arm.bounds.from_ms));
        let uncounted = self.uncounted.iter().map(lag_s);
        uncounted.fold(lag_s_of(&self.arms), u32::max)
    }

    /// Whose rows are there, or may be.
    pub(super) fn workspaces(&self) -> impl Iterator<Item = Arc<str>> {
        let due = self.arms.iter().filter(|arm| arm.n_due > 0);
        let unknown = self.unknown.iter().map(|(arm, _)| arm);
        let may_be = self.oversized.iter().chain(&self.uncounted).chain(unknown);
        let of_arm = |arm: &Arm| Arc::clone(&arm.workspace);
        due.chain(may_be).map(of_arm)
    }
}

impl Engine {
    /// Counts what does not go now, for any number of arms, as far as it can be counted.
    pub(super) async fn count_aside(
        &self,
        place: Place<'_>,
        arms: Vec<Arm>,
    ) -> Result<Counted, WarehouseError> {
        let mut unseen = Tally::default();
        let counted = self.count_packed(place, arms, &mut unseen).await?;
        if let Some((_, reason)) = counted.unknown.first() {
            let (shard, table) = (place.shard.name(), &*place.target.table);
            tracing::warn!(
                shard,
                table,
                reason,
                "not all of what is held, paused or waits could be counted"
            );
        }
        Ok(counted)
    }

    /// Counts what is due for any number of arms, or the oldest of it.
    pub(super) async fn count_packed(
        &self,
        place: Place<'_>,
        arms: Vec<Arm>,
        tally: &mut Tally,
    ) -> Result<Counted, WarehouseError> {
        let Place { shard, target, .. } = place;
        let mut counted = Counted::default();
        let arms = counted.tell(place, arms, tally);
        let packed = pack(arms, target, &self.limits);
        counted.oversized = packed.oversized;
        let mut slices: Vec<Slice> = packed.statements.into_iter().map(Slice::all).collect();
        slices.reverse();
        let mut patience = PATIENCE;
        // How far others were counted that are too much together.
        let mut end_ms = i64::MAX;
        while let Some(mut slice) = slices.pop() {
            if patience == 0 {
                slice = slice.up_to(end_ms);
            }
            let older = slice.older();
            match self.due_rows(shard, target, &older, place.within).await {
                Ok(rows) => {
                    let is_any = rows.iter().any(|(_, row)| row.n_due > 0);
                    counted.add(older, &rows, tally);
                    let younger = slice.younger();
                    if is_any || patience == 0 {
                        end_ms = end_ms.min(slice.end_ms().unwrap_or(i64::MAX));
                        counted.uncounted.extend(younger);
                    } else {
                        // What stays for ever must not hide what is behind it.
                        let packed = pack(younger, target, &self.limits);
                        counted.oversized.extend(packed.oversized);
                        slices.extend(packed.statements.into_iter().map(Slice::all));
                    }
                }
                Err(error) if error.is_out_of_limits() => {
                    patience = patience.saturating_sub(cost(&error));
                    if patience == 0 {
                        counted.uncounted.extend(slice.into_arms());
                    } else {
                        let narrower = self.narrower(place, &slice).await?;
                        if narrower.is_empty() {
                            counted.give_up(slice, &error);
                        }
                        slices.extend(narrower);
                    }
                    counted.too_much = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(counted)
    }

    /// Slices that together count less at once than one did, the first of them last; none where nothing
    /// reads less.
    async fn narrower(
        &self,
        place: Place<'_>,
        slice: &Slice,
    ) -> Result<Vec<Slice>, WarehouseError> {
        if let Some([first, second]) = slice.halves() {
            let n_rows = self.estimate(place, slice).await?;
            let n_first = self.estimate(place, &first).await?;
            let n_second = self.estimate(place, &second).await?;
            // Where the primary key begins with something else, each half reads as much as both.
            if n_first.saturating_add(n_second) <= n_rows.saturating_add(n_rows / 4) {
                return Ok(vec![second, first]);
            }
        }
        let oldest_ms = |workspace: &str| place.oldest.ms(workspace);
        let unit_ms = place.target.age.kind.unit_ms();
        Ok(slice.shorter(oldest_ms, unit_ms).into_iter().collect())
    }

    /// An upper bound of the rows that counting a slice reads.
    async fn estimate(&self, place: Place<'_>, slice: &Slice) -> Result<u64, WarehouseError> {
        let mut n_rows = 0_u64;
        for probe in compile::probe(place.target, &slice.older(), place.within) {
            n_rows = n_rows.saturating_add(place.shard.estimate(&probe.sql).await?);
        }
        Ok(n_rows)
    }

    /// Counts what is due for arms of one statement, and fills the counts in. Returns the rows due. Arms
    /// that were counted apart may be too much together: then they are counted apart again.
    pub(super) async fn count(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        within: Within<'_>,
    ) -> Result<u64, WarehouseError> {
        let mut unseen = Tally::default();
        let mut n_due = 0;
        let mut patience = PATIENCE;
        let mut together = vec![arms];
        while let Some(arms) = together.pop() {
            match self.due_rows(shard, target, arms, within).await {
                Ok(rows) => {
                    tally_up(arms, &rows, 0, &mut unseen);
                    n_due += arms.iter().map(|arm| arm.n_due).sum::<u64>();
                }
                Err(error) => {
                    patience = patience.saturating_sub(cost(&error));
                    if !error.is_out_of_limits() || arms.len() < 2 || patience == 0 {
                        return Err(error);
                    }
                    let (first, second) = arms.split_at_mut(arms.len() / 2);
                    together.extend([second, first]);
                }
            }
        }
        Ok(n_due)
    }

    /// What is due for arms of one statement: lines of a probe, each with the place of its arm.
    pub(super) async fn due_rows(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &[Arm],
        within: Within<'_>,
    ) -> Result<Vec<(usize, DueRow)>, WarehouseError> {
        let mut found = Vec::new();
        for probe in compile::probe(target, arms, within) {
            let none: Arc<str> = "".into();
            let mut index: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
            for (at, arm) in arms.iter().enumerate() {
                if arm.project().is_some() == probe.by_project {
                    let project = arm.project().unwrap_or(&none);
                    index.insert((Arc::clone(&arm.workspace), Arc::clone(project)), at);
                }
            }
            for row in shard.count_due(&probe.sql).await? {
                let at = index.get(&(row.workspace.as_str().into(), row.project.as_str().into()));
                // A group that nobody asked for would mean that the predicate is wrong.
                let Some(at) = at else {
                    return Err(shard.unexpected_group(&row.workspace));
                };
                found.push((*at, row));
            }
        }
        Ok(found)
    }
}

impl Counted {
    /// Takes over what the census tells of some arms; returns those that have to be counted.
    fn tell(&mut self, place: Place<'_>, arms: Vec<Arm>, tally: &mut Tally) -> Vec<Arm> {
        // It says nothing of what other tables refer to.
        if !place.target.keep.is_empty() {
            return arms;
        }
        let told = told(place.census, arms, |partition| place.within.has(partition));
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
    fn add(&mut self, mut arms: Vec<Arm>, rows: &[(usize, DueRow)], tally: &mut Tally) {
        tally_up(&mut arms, rows, self.arms.len(), tally);
        self.arms.append(&mut arms);
    }

    /// Takes over what was counted anew of its arms.
    pub(super) fn follow(&mut self, anew: Self) {
        self.arms = anew.arms;
        self.oversized.extend(anew.oversized);
        self.uncounted.extend(anew.uncounted);
        self.unknown.extend(anew.unknown);
    }

    /// Leaves a slice that is too much. Of a workspace by itself everybody hears why.
    fn give_up(&mut self, slice: Slice, error: &WarehouseError) {
        let mut arms = slice.into_arms();
        match arms.pop() {
            Some(arm) if arms.is_empty() => self.unknown.push((arm, error_chain(error))),
            last => {
                self.uncounted.append(&mut arms);
                self.uncounted.extend(last);
            }
        }
    }

    /// What waits goes on in the next cycle only if something goes in this one.
    ///
    /// # Errors
    /// Where nothing is due as far as that could be counted, and more could not be.
    pub(super) fn unless_nothing(mut self) -> Result<Self, WarehouseError> {
        let is_stuck = self.n_due() == 0 && !self.uncounted.is_empty();
        match self.too_much.take() {
            Some(error) if is_stuck => Err(error),
            too_much => Ok(Self { too_much, ..self }),
        }
    }
}

/// Fills in what was counted of arms, which stand from `first` on in the inventory.
fn tally_up(arms: &mut [Arm], rows: &[(usize, DueRow)], first: usize, tally: &mut Tally) {
    for arm in arms.iter_mut() {
        arm.forget_counts();
    }
    for (at, row) in rows {
        if let Some(arm) = arms.get_mut(*at) {
            tally.add(row, arm, first + at);
        }
    }
}

/// What a look that went beyond its limits costs: one that would have read too much was not begun.
pub(super) fn cost(error: &WarehouseError) -> u32 {
    match error {
        WarehouseError::TooManyRows { .. } => 1,
        _ => WORTH_OF_READING,
    }
}
