//! What a turn of the loop begins with: the state of ledger and warehouse, read anew.

use jiff::{SignedDuration, Timestamp};

use super::again::{again, terms};
use super::{Live, Sidecar};
use crate::cutoff::utc_day;
use crate::engine::{Engine, EngineError, error_chain};
use crate::guard::PauseScope;
use crate::ledger::{PauseRecord, PlanRecord, PlanStatus, RemainsNote};
use crate::slot::SlotRange;
use crate::telemetry::metric;
use crate::warehouse::Warehouse;

/// How many kept plans are looked at; older ones have been stale for long.
pub(super) const N_PLANS: u32 = 100;

/// The state of ledger and warehouse.
#[derive(Debug)]
pub(super) struct World {
    /// The time: of the ledger, so that all instances agree.
    pub(super) now: Timestamp,
    /// Its UTC day.
    pub(super) day: String,
    /// What is done of that day, by whichever instance; in order, without overlaps.
    pub(super) done: Vec<SlotRange>,
    /// The same, with what is put off until a pause ends.
    pub(super) settled: Vec<SlotRange>,
    /// What is settled, but where rows may have come free since.
    pub(super) again: Vec<SlotRange>,
    /// The revision that must agree with the rules of now before anything is deleted, if there is one.
    pub(super) base: Option<u64>,
    /// What was done of the day before.
    pub(super) yesterday: Vec<SlotRange>,
    /// The kept plans that are approved and not applied, the oldest first.
    pub(super) approved: Vec<PlanRecord>,
    /// The pauses in force.
    pub(super) pauses: Vec<PauseRecord>,
    /// What tables were seen to hold of deleted rows.
    pub(super) remains: Vec<RemainsNote>,
}

impl World {
    /// The pause of everything, if there is one.
    pub(super) fn pause(&self) -> Option<&PauseRecord> {
        let everything = |record: &&PauseRecord| record.pause.scope == PauseScope::Everything;
        self.pauses.iter().find(everything)
    }
}

impl Sidecar {
    /// Asks ledger and warehouse how things stand.
    pub(super) async fn look(&self, engine: &Engine) -> Result<World, EngineError> {
        let ledger = &self.ledger;
        self.reach(engine.warehouse()).await?;
        let now = self.now().await?;
        let day = utc_day(now);
        let done = joined(ledger.slots_done(&day).await?);
        let before = now - SignedDuration::from_hours(24);
        let yesterday = joined(ledger.slots_done(&utc_day(before)).await?);
        let plans = ledger.plans_before(None, N_PLANS).await?;
        let pauses = ledger.pauses(false).await?;
        let settled = joined([&*done, &self.attempts.waiting(&pauses)].concat());
        let n_holds = ledger.holds(false).await?.len();
        let revision = ledger.revision().await?;
        let base = engine.base_revision().await?;
        let looks = ledger.looks().await?;
        let again = again(&settled, &looks, &terms(revision, base), now);
        self.show_left(&looks);
        let remains = ledger.remains().await?;
        self.show_remains(&remains, now);
        self.show_quarantined(&engine.see_quarantine().await?);
        let mut n_pending = 0;
        for plan in plans
            .iter()
            .filter(|plan| plan.status == PlanStatus::Pending)
        {
            if plan.revision < revision {
                // Nobody can approve it any more.
                ledger.mark_plan(&plan.id, PlanStatus::Stale).await?;
            } else {
                n_pending += 1;
            }
        }
        let succeeded_at = ledger.last_success().await?;
        self.metrics.set_len(metric::HOLDS, n_holds);
        self.metrics.set_len(metric::PAUSES, pauses.len());
        self.metrics.set_len(metric::PLANS_PENDING, n_pending);
        if let Some(at) = succeeded_at {
            self.metrics.succeeded_at(at);
            self.board.write(|status| status.last_success_at = Some(at));
        }
        let mut approved = plans;
        approved.retain(|plan| plan.status == PlanStatus::Approved);
        approved.reverse();
        let world = World {
            now,
            day,
            done,
            settled,
            again,
            base,
            yesterday,
            approved,
            pauses,
            remains,
        };
        let is_paused = world.pause().is_some();
        self.metrics
            .set_count(metric::EVERYTHING_PAUSED, &[], is_paused.into());
        Ok(world)
    }

    /// A look from beside a cycle: what all instances show stays fresh meanwhile.
    pub(super) async fn glance(&self, live: &Live) -> Result<(), EngineError> {
        let world = self.look(&live.engine).await?;
        let n_slots = self.board.watch().borrow().n_slots;
        if n_slots > 0 {
            self.show_day(&world, n_slots);
        }
        Ok(())
    }

    /// Succeeds if the ledger and any shard answer as they should.
    pub(super) async fn reach(&self, warehouse: &Warehouse) -> Result<(), EngineError> {
        self.ledger.check_schema().await?;
        let mut reasons = Vec::new();
        for shard in warehouse.shards() {
            match shard.check_server().await {
                Ok(_) => return Ok(()),
                Err(error) => reasons.push(error_chain(&error)),
            }
        }
        Err(EngineError::NoShard { reasons })
    }

    /// The time by the clock of the ledger's database; a clock that stands still is a test's.
    pub(super) async fn now(&self) -> Result<Timestamp, EngineError> {
        if self.clock.is_live() {
            Ok(self.ledger.now().await?)
        } else {
            Ok(self.clock.now())
        }
    }
}

/// Ranges in order, with those joined that touch.
pub(super) fn joined(mut ranges: Vec<SlotRange>) -> Vec<SlotRange> {
    ranges.sort();
    let mut joined: Vec<SlotRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let range = |from, to| SlotRange { from, to };
        let all = vec![
            range(5, 9),
            range(0, 2),
            range(2, 4),
            range(6, 7),
            range(8, 12),
        ];
        assert_eq!(joined(all), [range(0, 4), range(5, 12)]);
        assert_eq!(joined(Vec::new()), []);
    }
}
