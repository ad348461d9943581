//! Dropping partitions that have been in quarantine for long enough.

use super::super::{Engine, error_chain};
use super::{Kept, Left, SendError, strays_in_it};
use crate::compile::drop_quarantined;
use crate::cutoff::Bounds;
use crate::guard::Guards;
use crate::ledger::{Intended, QuarantineState};
use crate::pace::Decision;
use crate::plan::{Terms, for_everybody, inside};
use crate::target::CheckedTarget;
use crate::warehouse::Partitions;

impl Engine {
    /// Drops a partition that has been kept for long enough; one with rows that should stay goes back.
    pub(super) async fn drop_kept(
        &self,
        kept: Kept<'_>,
        target: &CheckedTarget,
        expired: Bounds,
        revision: u64,
    ) -> Left<()> {
        let partition = &kept.record.quarantine.partition;
        // A process that was killed may have dropped it already.
        let there = match kept.shard.partitions(kept.table.as_str()).await {
            Ok(there) => there,
            Err(error) => return Ok(Err(error_chain(&error))),
        };
        let is_there = there.n_rows_of(partition) > 0;
        if is_there {
            if !is_inside(target, expired, &there, partition) {
                let reason = "by its key it may hold rows that are not expired for everybody";
                return self.send_back(kept, reason).await;
            }
            match self.count_kept(kept, target, expired).await {
                Ok(Ok((_, 0))) => {}
                Ok(Ok((_, n_strays))) => {
                    return self.send_back(kept, &strays_in_it(n_strays)).await;
                }
                Ok(Err(hidden)) => return Ok(Err(hidden.to_string())),
                Err(error) => return Ok(Err(error_chain(&error))),
            }
        }
        let look = self.pacer.look_to_free(kept.shard, &target.table).await;
        if let Decision::Wait(wait) = look {
            return Ok(Err(wait.to_string()));
        }
        // The last look at the rules, holds, pauses and the lease.
        let mut intent = kept.record.change(
            QuarantineState::Dropping,
            self.clock.now(),
            kept.tenure.token(),
        );
        intent.revision = Some(revision);
        let holder = kept.tenure.holder();
        match self.ledger.change_quarantine(&intent, &holder).await? {
            Intended::Recorded if kept.tenure.may_send() => {}
            Intended::Recorded | Intended::LeaseLost => {
                return Ok(Err("the lease was lost, or nearly".into()));
            }
            Intended::Stale => return Ok(Err("rules, holds or pauses changed just now".into())),
        }
        let database = kept.shard.database();
        let sql = drop_quarantined(database, kept.table, partition);
        let sent = async {
            if is_there {
                self.order(kept.shard, kept.table.as_str(), &sql).await?;
            }
            let left = kept.shard.partitions(kept.table.as_str()).await?;
            if left.n_rows_of(partition) > 0 {
                return Ok(Err("rows are left in it".to_owned()));
            }
            self.tidy(kept).await.map(Ok)
        };
        match sent.await {
            Ok(Ok(())) => {
                self.note(kept, QuarantineState::Dropped, kept.record.n_rows)
                    .await
            }
            Ok(Err(reason)) => Ok(Err(reason)),
            Err(SendError::Ledger(error)) => Err(error),
            Err(SendError::Warehouse(error)) => Ok(Err(error_chain(&error))),
        }
    }
}

/// Whether a partition, whatever is or comes to be in it, holds no row outside of an interval.
fn is_inside(target: &CheckedTarget, expired: Bounds, there: &Partitions, id: &str) -> bool {
    let period = target.ways.period;
    period.is_some_and(|period| {
        let mut inside = inside(expired, period, &there.found);
        inside.any(|partition| *partition.id == *id)
    })
}

/// Why nothing proves now that a partition may be dropped.
pub(super) enum Unproven {
    /// It would be proven if nothing was paused. A pause is temporary, so it waits.
    Paused,
    /// Rules and holds keep something: its rows must not stay hidden.
    Wanted(String),
}

/// The target of a partition, and the interval in which everybody's rows are expired now; or why it
/// must not go.
pub(super) fn proven<'t>(
    kept: Kept<'_>,
    targets: &'t [CheckedTarget],
    terms: &Terms<'_>,
) -> Result<(&'t CheckedTarget, Bounds), Unproven> {
    let wanted = |reason: String| Err(Unproven::Wanted(reason));
    let table = &kept.record.quarantine.table;
    let at = targets.iter().position(|target| target.table == *table);
    let up_to = at.and_then(|at| targets.get(..=at)).unwrap_or_default();
    let Some(target) = up_to.last() else {
        return wanted(format!("table {table} is no target any more"));
    };
    if !target.keep.is_empty() {
        return wanted("its target keeps rows that another table refers to".into());
    }
    if up_to
        .iter()
        .any(|target| !terms.unmatched(target).is_empty())
    {
        return wanted("nobody knows whose rows a rule or hold means".into());
    }
    let terms = terms.of_table(kept.shard.name(), table);
    if let Ok(expired) = for_everybody(&terms) {
        return Ok((target, expired));
    }
    let without_pauses = Terms {
        guards: Guards::none(),
        ..terms
    };
    if terms.guards.holds().is_empty() && for_everybody(&without_pauses).is_ok() {
        return Err(Unproven::Paused);
    }
    wanted("something is held, or somebody's rows are not to go".into())
}
