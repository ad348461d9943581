//! The slots of the day: under the lease, or as a rehearsal.

use std::time::Duration;

use jiff::SignedDuration;
use tracing::Instrument as _;

use super::again;
use super::attempts::{LONGEST, delay};
use super::cycle::{Cycled, End};
use super::next::{self, Next, View};
use super::world::World;
use super::{Live, POLL, Phase, Sidecar, Stop, Then, error_chain, until_then};
use crate::engine::{CycleReport, CycleStatus, EngineError, Tenure};
use crate::slot::SlotRange;
use crate::telemetry::metric;

impl Sidecar {
    /// Takes the lease, looks again, and does what then is the next slot.
    pub(super) async fn work(
        &mut self,
        live: &Live,
        n_slots: u32,
        stop: &Stop,
    ) -> Result<Then, EngineError> {
        let tenure = match self.take_lease(live, stop).await? {
            Ok(tenure) => tenure,
            Err(then) => return Ok(then),
        };
        let then = Box::pin(self.slot(live, &tenure, n_slots, stop)).await;
        self.give_lease_back(tenure, stop).await;
        then
    }

    /// The lease; or, if somebody else has it, for how long to wait.
    pub(super) async fn take_lease(
        &mut self,
        live: &Live,
        stop: &Stop,
    ) -> Result<Result<Tenure, Then>, EngineError> {
        let length = live.config.serve.lease;
        let asked = Tenure::begin(&self.ledger, &self.instance, length);
        // If it is granted all the same, it ends by itself.
        let Some(begun) = stop.unless_told(asked).await else {
            return Ok(Err(Then::Again));
        };
        match begun {
            Ok(tenure) => {
                self.metrics.set_count(metric::LEASE_HELD, &[], 1);
                Ok(Ok(tenure))
            }
            Err(EngineError::Busy { holder, until }) => {
                let now = self.ledger.now().await?;
                let reason = format!("a slot is due, and {holder} is at work");
                self.board.phase(Phase::Waiting, reason, now);
                // A little apart, so that not all instances ask at the same instant.
                let apart = delay(1, Duration::from_secs(1)) / 10;
                Ok(Err(Then::Sleep((until_then(now, until) + apart).min(POLL))))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn give_lease_back(&self, tenure: Tenure, stop: &Stop) {
        self.metrics.set_count(metric::LEASE_HELD, &[], 0);
        if stop.at_once.is_cancelled() {
            // The server may not have registered the statement that was left: nobody else may
            // look for it before the lease ends.
            tracing::warn!("the lease is left to end");
            return;
        }
        // It ends by itself if this fails; nobody has to wait for a ledger that is gone.
        match tokio::time::timeout(Duration::from_secs(5), tenure.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "the lease is left to end");
            }
            Err(_) => tracing::warn!("the ledger does not answer; the lease is left to end"),
        }
    }

    async fn slot(
        &mut self,
        live: &Live,
        tenure: &Tenure,
        n_slots: u32,
        stop: &Stop,
    ) -> Result<Then, EngineError> {
        // Before the lease was ours, somebody else may have done the slot.
        let looked = stop.unless_told(self.look(&live.engine)).await;
        let Some(world) = looked.transpose()? else {
            return Ok(Then::Again);
        };
        let view = self.view(&world, n_slots, &world.settled);
        let (range, reason) = match next::decide(&view) {
            Next::Slot { range, n_due } => (range, which(range, n_due, n_slots, &world)),
            Next::Again { range } => (
                range,
                "what was done before is looked at again: rows may have come free".to_owned(),
            ),
            Next::Retry { .. } | Next::Idle { .. } => return Ok(Then::Again),
        };
        let next_slot_in = until_then(world.now, next::day(&view).next_slot_at);
        self.board.phase(Phase::Working, reason, world.now);
        let span = tracing::info_span!("cycle", kind = "slot", day = world.day);
        let cycle = self
            .cycle(live, tenure, range, world.now, stop)
            .instrument(span);
        let cycled = Box::pin(self.watched(live, &world, next_slot_in, cycle)).await;
        self.note("slot", Some(range), &cycled);
        if cycled
            .together
            .as_ref()
            .is_some_and(|report| report.n_statements() > 0)
        {
            self.reclaiming.rows_went();
        }
        let mut unnoted = None;
        if let Some(plan) = &cycled.plan {
            let terms = again::terms(plan.revision, world.base);
            unnoted = self
                .look_at(plan, range, &cycled, Some(terms), &world, stop)
                .await;
            self.keep_for_review(live, plan, world.now, stop).await;
        }
        let then = self.slot_ended(range, &cycled, unnoted).await?;
        if !stop.gently.is_cancelled() {
            self.tidy_record(live, &world).await;
        }
        match cycled.end {
            End::Failed(error @ EngineError::Ledger(_)) => Err(error),
            _ => Ok(then),
        }
    }

    /// What follows from how a slot ended. Where that could not be noted it counts as failed: or else
    /// it would be looked at again at once, and for ever.
    async fn slot_ended(
        &mut self,
        range: SlotRange,
        cycled: &Cycled,
        unnoted: Option<String>,
    ) -> Result<Then, EngineError> {
        let failure = match &cycled.end {
            End::Reported(report) => match report.status {
                CycleStatus::Done | CycleStatus::Partial if unnoted.is_some() => unnoted,
                CycleStatus::Done => {
                    self.attempts.ended(range);
                    None
                }
                CycleStatus::Partial => {
                    let pauses = cycled.plan.as_ref().map(|plan| plan.pauses.clone());
                    self.attempts.put_off(range, pauses.unwrap_or_default());
                    None
                }
                CycleStatus::Deferred => {
                    self.attempts.deferred(range);
                    None
                }
                CycleStatus::Failed => Some(first_failure(report)),
                CycleStatus::Stale => Some("rules, holds or pauses kept changing".to_owned()),
                CycleStatus::Stopped => None,
                CycleStatus::LeaseLost => Some("the lease was lost".to_owned()),
            },
            // The window closed between the look and the cycle.
            End::Failed(EngineError::Closed { .. })
            | End::Rehearsed
            | End::Stopped
            | End::Abandoned => None,
            End::Failed(error) => Some(error_chain(error)),
        };
        if let Some(reason) = failure {
            let wait = delay(self.attempts.n_failed(range) + 1, LONGEST);
            tracing::warn!(
                from_place = range.from,
                to_place = range.to,
                reason,
                wait_ms = crate::telemetry::ms(wait),
                "the slot is tried again later; others go on"
            );
            let now = self.now().await?;
            self.attempts.failed(range, now, wait, reason);
        }
        Ok(Then::Again)
    }

    /// Plans what is due and deletes nothing: `retention.enabled` is false.
    pub(super) async fn rehearse(
        &mut self,
        live: &Live,
        world: &World,
        n_slots: u32,
        stop: &Stop,
    ) -> Result<Then, EngineError> {
        let why = match world.approved.len() {
            0 => "retention.enabled is false: slots are planned, and nothing is deleted".to_owned(),
            n => format!(
                "retention.enabled is false: nothing is deleted, also not by the approved plans \
                 ({n}); they wait"
            ),
        };
        let next = next::decide(&View {
            again: &[],
            ..self.view(world, n_slots, &self.rehearsed.1)
        });
        let Next::Slot { range, .. } = next else {
            return Ok(self.rest(next, Phase::DryRun, &why, world.now));
        };
        self.board.phase(Phase::DryRun, why, world.now);
        let span = tracing::info_span!("cycle", kind = "dry_run", day = world.day);
        let cycled = self
            .plan_only(live, range, world.now, stop)
            .instrument(span)
            .await;
        self.note("dry_run", Some(range), &cycled);
        if let Some(plan) = &cycled.plan {
            self.look_at(plan, range, &cycled, None, world, stop).await;
            self.rehearsed.1.push(range);
            self.attempts.ended(range);
        }
        let then = self.slot_ended(range, &cycled, None).await?;
        match cycled.end {
            End::Failed(error @ EngineError::Ledger(_)) => Err(error),
            _ => Ok(then),
        }
    }

    /// Once a day what is old leaves the record.
    async fn tidy_record(&mut self, live: &Live, world: &World) {
        if self.tidied == world.day {
            return;
        }
        let kept = live.config.serve.record_retention;
        let Ok(before) = world.now.checked_sub(kept) else {
            return;
        };
        match self
            .ledger
            .prune_record(before, &self.instance, world.now)
            .await
        {
            Ok(pruned) => {
                self.tidied.clone_from(&world.day);
                tracing::info!(
                    n_cycles = pruned.n_cycles,
                    n_entries = pruned.n_entries,
                    %before,
                    "what was old left the record"
                );
            }
            Err(error) => {
                self.metrics.add(metric::LEDGER_ERRORS, &[], 1);
                tracing::warn!(error = error_chain(&error), "the record is not tidied");
            }
        }
    }
}

/// The slot that a range is of, for people.
fn which(range: SlotRange, n_due: usize, n_slots: u32, world: &World) -> String {
    let due_at = next::due_at(range, world.now, n_slots);
    // What comes before its time of today is what yesterday lacked.
    let when = if due_at > world.now {
        due_at - SignedDuration::from_hours(24)
    } else {
        due_at
    };
    match n_due {
        1 => format!("the slot of {when}"),
        n => format!("the slot of {when}; {} more are due and wait", n - 1),
    }
}

/// What went wrong first, for people.
fn first_failure(report: &CycleReport) -> String {
    let step = report.steps.iter().find(|step| !step.is_verified());
    if let Some(step) = step {
        return format!("table {}: {}", step.table, step.why());
    }
    match report.unprobed.first() {
        Some(unprobed) => format!(
            "{}: {}",
            unprobed.table.as_deref().unwrap_or("every table"),
            unprobed.reason
        ),
        None => "it is not known why".into(),
    }
}
