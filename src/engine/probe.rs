//! Probing a table: census, and the counts of what is due, waits, is held or paused.

use std::sync::Arc;
use std::time::Instant;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::Engine;
use super::report::lag_s;
use crate::compile;
use crate::plan::{Arm, Basis, TableInventory, Terms, Totals, candidates, pack};
use crate::target::CheckedTarget;
use crate::warehouse::{MutationState, Shard, WarehouseError};

/// Rows dated more than a day ahead count as future; less is clock skew.
const FUTURE_TOLERANCE_MS: i64 = 86_400_000;

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
    ) -> Result<Probed, WarehouseError> {
        let started = Instant::now();
        let of_table = terms.of_table(shard.name(), &target.table);
        let running = shard.unfinished_mutations(&target.table).await?;
        self.say_stalled(shard, &target.table, &running);
        let now_ms = terms.now.as_millisecond();
        let future_ms = now_ms.saturating_add(FUTURE_TOLERANCE_MS);
        let census = shard.census(&compile::census(target, future_ms)).await?;
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
        if terms.basis == Basis::Effective && !left_out.waiting.is_empty() {
            let waits = |arm: &mut Arm| left_out.waiting.contains(&arm.workspace);
            behind.extend(found.due.extract_if(.., waits));
        }
        let behind = self.count_packed(shard, target, behind).await?;
        let due = self.count_packed(shard, target, found.due).await?;
        let paused = self.count_packed(shard, target, found.paused).await?;
        let waiting = self.count_packed(shard, target, found.waiting).await?;
        let held = self.count_packed(shard, target, found.held).await?;
        let of_workspace = |arm: &Arm| Arc::clone(&arm.workspace);
        left_out
            .alone
            .extend(due.oversized.iter().map(of_workspace));
        let stays = paused.arms.iter().filter(|arm| arm.n_due > 0);
        let stays = stays.chain(&paused.oversized).map(of_workspace);
        left_out.paused.extend(stays);
        if of_table.base.is_missing() && !terms.base.is_missing() {
            let stays = waiting.arms.iter().filter(|arm| arm.n_due > 0);
            let stays = stays.chain(&waiting.oversized).map(of_workspace);
            left_out.waiting.extend(stays);
        }
        let inventory = TableInventory {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            totals: Totals::of(&census),
            n_waiting: waiting.n_due() + behind.n_due(),
            n_held: held.n_due(),
            n_paused: paused.n_due(),
            lag_s: lag_s(&due.arms).max(lag_s(&paused.arms)),
            holds: found.holds.into_iter().collect(),
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

    /// Counts what is due for any number of arms.
    async fn count_packed(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: Vec<Arm>,
    ) -> Result<Counted, WarehouseError> {
        let packed = pack(arms, target, &self.limits);
        let mut arms = Vec::new();
        for mut statement in packed.statements {
            self.count(shard, target, &mut statement).await?;
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
    ) -> Result<u64, WarehouseError> {
        for arm in arms.iter_mut() {
            (arm.n_due, arm.n_kept, arm.lag_s) = (0, 0, 0);
        }
        let mut total = 0;
        for probe in compile::probe(target, arms) {
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
                let Some(arm) = at.and_then(|at| arms.get_mut(*at)) else {
                    return Err(shard.unexpected_group(&row.workspace));
                };
                arm.n_due += row.n_due;
                arm.n_kept += row.n_kept;
                let below_ms = arm.bounds.below_ms;
                let overdue_ms = row.oldest_ms.map_or(0, |at| below_ms.saturating_sub(at));
                let seconds = u32::try_from(overdue_ms.max(0) / 1_000);
                arm.lag_s = arm.lag_s.max(seconds.unwrap_or(u32::MAX));
                total += row.n_due;
            }
        }
        Ok(total)
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
