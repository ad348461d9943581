//! Probing a table: census, partitions that go as a whole, and the counts of what else is due, waits,
//! is held or paused.

use std::sync::Arc;
use std::time::Instant;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::Engine;
use super::report::lag_s;
use super::tally::Tally;
use crate::compile::{self, Within};
use crate::plan::{
    Arm, Basis, CensusRow, Rates, StepCost, TableInventory, Terms, candidates, pack,
};
use crate::target::CheckedTarget;
use crate::warehouse::{MutationState, Partitions, Shard, WarehouseError};

/// Workspaces whose rows stay in the tables that are still to come, since rows of their children
/// stay.
#[derive(Default)]
pub(super) struct LeftOut {
    /// They fit into no statement, or a rule or hold of theirs means nobody knows which rows.
    pub(super) alone: HashSet<Arc<str>>,
    /// Rows are due in a table that is paused.
    paused: HashSet<Arc<str>>,
    /// Rows wait in a table whose target reaches further than that of the base.
    waiting: HashSet<Arc<str>>,
    /// Rules or holds of anybody, in whichever slot, mean nobody knows which rows.
    pub(super) anybody: bool,
    /// The age of the oldest row in the tables so far that belongs to another slot.
    pub(super) others_ms: Option<i64>,
}

impl LeftOut {
    /// Whether nobody's rows stay.
    pub(super) fn is_nobody(&self) -> bool {
        let is_nobody = self.alone.is_empty() && self.paused.is_empty() && self.waiting.is_empty();
        is_nobody && !self.anybody
    }

    /// Notes rows whose turn comes in another slot.
    fn note_others(&mut self, census: &[CensusRow], terms: &Terms<'_>) {
        let is_other = |row: &&CensusRow| {
            let slot = terms.slot;
            slot.is_some_and(|slot| !slot.contains(&row.workspace))
        };
        let oldest = census
            .iter()
            .filter(is_other)
            .filter_map(|row| row.oldest_ms);
        let others_ms = oldest.chain(self.others_ms).min();
        self.others_ms = others_ms;
    }
}

/// One table, probed.
pub(super) struct Probed {
    pub(super) inventory: TableInventory,
    /// Arms that fit into no statement.
    pub(super) oversized: Vec<Arm>,
    /// Deletes of ours that an earlier cycle sent and that still run.
    pub(super) running: Vec<MutationState>,
}

impl Engine {
    pub(super) async fn probe(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        left_out: &mut LeftOut,
        costs: &[StepCost],
    ) -> Result<Probed, WarehouseError> {
        let started = Instant::now();
        let of_table = terms.of_table(shard.name(), &target.table);
        let running = shard.unfinished_mutations(&target.table).await?;
        self.say_stalled(shard, &target.table, &running);
        let (census, totals) = self.census(shard, target, terms).await?;
        let mut found = candidates(target, &census, &of_table);
        if !left_out.alone.is_empty() {
            for arms in [&mut found.due, &mut found.paused, &mut found.waiting] {
                arms.retain(|arm| !left_out.alone.contains(&arm.workspace));
            }
        }
        if !left_out.paused.is_empty() {
            let waits = |arm: &mut Arm| left_out.paused.contains(&arm.workspace);
            found.paused.extend(found.due.extract_if(.., waits));
        }
        // By themselves: another piece of the same policy may wait for its rule.
        let mut behind = Vec::new();
        if !left_out.waiting.is_empty() {
            let waits = |arm: &mut Arm| left_out.waiting.contains(&arm.workspace);
            behind.extend(found.due.extract_if(.., waits));
        }
        // Where nothing is due nobody needs to know them.
        let mut partitions = if found.due.is_empty() {
            Partitions::default()
        } else {
            shard.partitions(&target.table).await?
        };
        let mut whole = self
            .find_whole(shard, target, &of_table, left_out, &mut partitions)
            .await;
        left_out.note_others(&census, terms);
        let mut tally = Tally::of(std::mem::take(&mut partitions.found));
        let rest = Within::Except(&whole.ids);
        let due = self.count_packed(shard, target, found.due, rest, &mut tally);
        let mut due = due.await?;
        partitions.found = std::mem::take(&mut tally.partitions);
        let more = (&mut partitions, &mut whole);
        if self
            .find_more(shard, target, &of_table, left_out, more)
            .await
        {
            tally = Tally::of(std::mem::take(&mut partitions.found));
            let rest = Within::Except(&whole.ids);
            let counted = self.count_packed(shard, target, due.arms, rest, &mut tally);
            due.arms = counted.await?.arms;
            partitions.found = std::mem::take(&mut tally.partitions);
        }
        let rest = Within::Except(&whole.ids);
        let histograms = self.histograms(shard, target, &due.arms, rest).await;
        let behind = self.count_aside(shard, target, behind).await?;
        let paused = self.count_aside(shard, target, found.paused).await?;
        let waiting = self.count_aside(shard, target, found.waiting).await?;
        let held = self.count_aside(shard, target, found.held).await?;
        let of_workspace = |arm: &Arm| Arc::clone(&arm.workspace);
        left_out
            .alone
            .extend(due.oversized.iter().map(of_workspace));
        let stays = paused.arms.iter().filter(|arm| arm.n_due > 0);
        let stays = stays.chain(&paused.oversized).map(of_workspace);
        left_out.paused.extend(stays);
        let is_new = of_table.base.is_missing() && !terms.base.is_missing();
        // A plan for review shows what goes once it is approved, its parents too.
        if is_new && terms.basis == Basis::Effective {
            let stays = waiting.arms.iter().filter(|arm| arm.n_due > 0);
            let stays = stays.chain(&waiting.oversized).map(of_workspace);
            left_out.waiting.extend(stays);
        }
        let inventory = TableInventory {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            totals,
            n_waiting: waiting.n_due() + behind.n_due(),
            n_held: held.n_due(),
            n_paused: paused.n_due(),
            lag_s: lag_s(&due.arms).max(lag_s(&paused.arms)).max(whole.lag_s),
            holds: found.holds.into_iter().collect(),
            by_hand: whole.by_hand(shard, target, &partitions),
            histograms,
            expired: whole.expired,
            partitions: partitions.found,
            cells: tally.cells.filter(|_| target.ways.is_partitioned),
            rates: Rates::of(shard.name(), &target.table, costs),
            rows_per_step: Some(self.pacer.rows_per_step(shard, &target.table)),
            arms: due.arms,
            n_deleted_today: 0,
            probed_in: started.elapsed(),
        };
        Ok(Probed {
            inventory,
            oversized: due.oversized,
            running,
        })
    }

    /// Counts what does not go now, for any number of arms.
    async fn count_aside(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: Vec<Arm>,
    ) -> Result<Counted, WarehouseError> {
        let mut unseen = Tally::default();
        self.count_packed(shard, target, arms, Within::Table, &mut unseen)
            .await
    }

    /// Counts what is due for any number of arms.
    async fn count_packed(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: Vec<Arm>,
        within: Within<'_>,
        tally: &mut Tally,
    ) -> Result<Counted, WarehouseError> {
        let packed = pack(arms, target, &self.limits);
        let mut arms = Vec::new();
        for mut statement in packed.statements {
            self.count_into(shard, target, &mut statement, within, arms.len(), tally)
                .await?;
            arms.append(&mut statement);
        }
        Ok(Counted {
            arms,
            oversized: packed.oversized,
        })
    }

    /// Counts what is due for arms of one statement, and fills the counts in. Returns the rows due.
    pub(super) async fn count(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        within: Within<'_>,
    ) -> Result<u64, WarehouseError> {
        let mut unseen = Tally::default();
        self.count_into(shard, target, arms, within, 0, &mut unseen)
            .await?;
        Ok(arms.iter().map(|arm| arm.n_due).sum())
    }

    /// Counts what is due for arms of one statement, which stand from `first` on in the inventory.
    async fn count_into(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        within: Within<'_>,
        first: usize,
        tally: &mut Tally,
    ) -> Result<(), WarehouseError> {
        for arm in arms.iter_mut() {
            (arm.n_due, arm.n_kept, arm.lag_s) = (0, 0, 0);
        }
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
                let arm = at.and_then(|at| Some((*at, arms.get_mut(*at)?)));
                // A group that nobody asked for would mean that the predicate is wrong.
                let Some((at, arm)) = arm else {
                    return Err(shard.unexpected_group(&row.workspace));
                };
                tally.add(&row, arm, first + at);
            }
        }
        Ok(())
    }
}

/// Arms with their counts.
struct Counted {
    arms: Vec<Arm>,
    oversized: Vec<Arm>,
}

impl Counted {
    fn n_due(&self) -> u64 {
        self.arms.iter().map(|arm| arm.n_due).sum()
    }
}
