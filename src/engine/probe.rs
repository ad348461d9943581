//! Probing a table: census, partitions that go as a whole, and the counts of what else is due, waits,
//! is held or paused.

use std::sync::Arc;
use std::time::Instant;

use foldhash::{HashMap, HashSet};

use super::Engine;
use super::count::{Counted, Oldest, Place};
use super::halve::Patience;
use super::report::lag_s;
use super::tally::Tally;
use crate::compile::Within;
use crate::plan::{
    Arm, Basis, Candidates, CensusRow, Partition, Rates, Slice, StepCost, TableInventory, Terms,
    candidates,
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
    pub(super) paused: HashSet<Arc<str>>,
    /// Rows wait in a table whose target reaches further than that of the base.
    pub(super) waiting: HashSet<Arc<str>>,
    /// Rules or holds of anybody, in whichever slot, mean nobody knows which rows.
    pub(super) anybody: bool,
    /// No row in the tables so far that is left to another slot or cycle is older.
    pub(super) others_ms: Option<i64>,
    /// Where the rows of a workspace begin that were too many to be counted: in the tables that are still to
    /// come only older ones go.
    begin_ms: HashMap<Arc<str>, i64>,
}

impl LeftOut {
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

    /// Notes whose rows stay since they were not counted, or cannot be.
    fn note(&mut self, due: &Counted) {
        let unknown = due.unknown.iter().map(|(arm, _)| arm);
        let alone = unknown.chain(&due.oversized);
        self.alone
            .extend(alone.map(|arm| Arc::clone(&arm.workspace)));
        for arm in &due.uncounted {
            let from_ms = arm.bounds.from_ms.unwrap_or(i64::MIN);
            let begin_ms = self.begin_ms.entry(Arc::clone(&arm.workspace));
            let begin_ms = begin_ms.or_insert(from_ms);
            *begin_ms = from_ms.min(*begin_ms);
            self.others_ms = self.others_ms.into_iter().chain([from_ms]).min();
        }
    }

    /// Leaves of what is due what does not wait for children; returns what waits as they do, by itself:
    /// another piece of the same policy may wait for its rule.
    fn set_aside(&self, found: &mut Candidates) -> Vec<Arm> {
        if !self.alone.is_empty() {
            for arms in [&mut found.due, &mut found.paused, &mut found.waiting] {
                arms.retain(|arm| !self.alone.contains(&arm.workspace));
            }
        }
        if !self.paused.is_empty() {
            let waits = |arm: &mut Arm| self.paused.contains(&arm.workspace);
            found.paused.extend(found.due.extract_if(.., waits));
        }
        let mut behind = Vec::new();
        if !self.waiting.is_empty() {
            let waits = |arm: &mut Arm| self.waiting.contains(&arm.workspace);
            behind.extend(found.due.extract_if(.., waits));
        }
        behind
    }

    /// Leaves of some arms what is older than all that was not counted of their children; returns the rest.
    fn take_parents(&self, arms: &mut Vec<Arm>, unit_ms: i64) -> Vec<Arm> {
        if self.begin_ms.is_empty() {
            return Vec::new();
        }
        let mut parents = Vec::new();
        for arm in std::mem::take(arms) {
            let Some(begin_ms) = self.begin_ms.get(&arm.workspace) else {
                arms.push(arm);
                continue;
            };
            // A day that has some of them has to wait where ages are whole days.
            let begin_ms = begin_ms.div_euclid(unit_ms).saturating_mul(unit_ms);
            let slice = Slice::all(vec![arm]).up_to(begin_ms);
            arms.extend(slice.older());
            parents.extend(slice.younger());
        }
        parents
    }
}

/// One table, probed.
pub(super) struct Probed {
    pub(super) inventory: TableInventory,
    /// Arms that fit into no statement.
    pub(super) oversized: Vec<Arm>,
    /// Arms that cannot be counted, and why.
    pub(super) unknown: Vec<(Arm, String)>,
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
        let mut found = candidates(target, &census.rows, &of_table);
        let behind = left_out.set_aside(&mut found);
        let unit_ms = target.age.kind.unit_ms();
        let parents = left_out.take_parents(&mut found.due, unit_ms);
        // Where nothing is due nobody needs to know them.
        let mut partitions = if found.due.is_empty() {
            Partitions::default()
        } else {
            shard.partitions(&target.table).await?
        };
        let mut whole = self
            .find_whole(shard, target, &of_table, left_out, &mut partitions)
            .await;
        whole.is_told = census.apart_ms.is_some();
        left_out.note_others(&census.rows, terms);
        let oldest = Oldest::of(&census.rows);
        let aside = Place {
            shard,
            target,
            within: Within::Table,
            census: &census,
            oldest: &oldest,
        };
        let mut tally = Tally::of(std::mem::take(&mut partitions.found));
        let patience = &mut Patience::new();
        let due = self.count_packed(aside.except(&whole.ids), found.due, patience, &mut tally);
        let mut due = due.await?;
        // What goes as a whole may be what makes the rest countable.
        if whole.ids.is_empty() {
            due = due.unless_nothing()?;
        }
        partitions.found = std::mem::take(&mut tally.partitions);
        let more = (&mut partitions, &mut whole);
        if self
            .find_more(shard, target, &of_table, left_out, more)
            .await
        {
            let is_left = |partition: &Partition| !partition.goes_whole && partition.n_due > 0;
            if !partitions.found.iter().any(is_left) {
                // All that was counted is in them.
                due.arms.clear();
            }
            tally = Tally::of(std::mem::take(&mut partitions.found));
            let arms = std::mem::take(&mut due.arms);
            let rest = aside.except(&whole.ids);
            let counted = self.count_packed(rest, arms, patience, &mut tally);
            due.follow(counted.await?);
        } else {
            tally.partitions = std::mem::take(&mut partitions.found);
        }
        let rest = aside.except(&whole.ids);
        let histograms = self.histograms(rest, &mut due, patience, &mut tally);
        let histograms = histograms.await?;
        partitions.found = std::mem::take(&mut tally.partitions);
        let behind = self.count_aside(aside, behind, patience).await?;
        let paused = self.count_aside(aside, found.paused, patience).await?;
        let waiting = self.count_aside(aside, found.waiting, patience).await?;
        let held = self.count_aside(aside, found.held, patience).await?;
        due.uncounted.extend(parents);
        left_out.note(&due);
        left_out.paused.extend(paused.workspaces());
        let is_new = of_table.base.is_missing() && !terms.base.is_missing();
        // A plan for review shows what goes once it is approved, its parents too.
        if is_new && terms.basis == Basis::Effective {
            left_out.waiting.extend(waiting.workspaces());
        }
        let of_whole = partitions.found.iter().filter(|found| found.goes_whole);
        let n_whole = of_whole.map(|partition| partition.n_due).sum();
        let left = self.left(rest, &due, &totals, n_whole).await?;
        let inventory = TableInventory {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            totals,
            n_waiting: waiting.n_due() + behind.n_due(),
            n_held: held.n_due(),
            n_paused: paused.n_due(),
            lag_s: due.lag_s(&oldest).max(lag_s(&paused.arms)).max(whole.lag_s),
            holds: found.holds.into_iter().collect(),
            obstacle: whole.in_the_way(target, &of_table, &partitions),
            by_hand: whole.by_hand(shard, target, &partitions),
            uncounted: left,
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
            unknown: due.unknown,
            running,
        })
    }
}

#[cfg(test)]
mod tests;
