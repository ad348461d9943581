//! One cycle of the loop: plan, apply, and what follows from how it ended.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::Instrument as _;

use super::world::World;
use super::{Live, POLL, Phase, Sidecar, Stop};
use crate::engine::{
    CycleKind, CycleReport, CycleStatus, EngineError, PlanRequest, Tenure, error_chain,
};
use crate::plan::{Basis, Plan, Refusal};
use crate::slot::SlotRange;
use crate::telemetry::{metric, ms};

/// How often a cycle plans again because something changed while it ran.
const MAX_REPLANS: usize = 3;

/// What is said of a cycle that takes too long.
const LATE: &str = "the cycle takes longer than its slot; the next slot is due and waits for it";

/// A cycle as the loop sees it afterwards.
pub(super) struct Cycled {
    /// The plan, if one was made.
    pub(super) plan: Option<Plan>,
    /// How it ended.
    pub(super) end: End,
    /// How long it took.
    pub(super) took: Duration,
}

/// How a cycle ended.
pub(super) enum End {
    /// The engine has a report.
    Reported(CycleReport),
    /// It was only planned.
    Rehearsed,
    /// It was told to stop before it sent anything.
    Stopped,
    /// The statement that runs is not waited for.
    Abandoned,
    /// It could not be planned or applied at all.
    Failed(EngineError),
}

impl End {
    /// Whether another plan may do better: something changed since this one.
    fn is_stale(&self) -> bool {
        let is_of_a_guard =
            |refusal: &Refusal| matches!(refusal, Refusal::Held { .. } | Refusal::Paused { .. });
        match self {
            Self::Reported(report) => report.status == CycleStatus::Stale,
            Self::Failed(EngineError::Stale { .. }) => true,
            Self::Failed(EngineError::Refused { refusals }) => refusals.iter().all(is_of_a_guard),
            _ => false,
        }
    }

    /// The word for it, as metrics and logs have it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Reported(report) => report.status.as_str(),
            Self::Rehearsed => "rehearsed",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::Failed(EngineError::Refused { .. } | EngineError::Clock { .. }) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

impl Sidecar {
    /// Plans a slot without applying it.
    pub(super) async fn plan_only(
        &self,
        live: &Live,
        range: SlotRange,
        now: Timestamp,
        stop: &Stop,
    ) -> Cycled {
        let began = Instant::now();
        let (plan, end) = match plan(live, range, now, stop).await {
            Some(Ok(plan)) => (Some(plan), End::Rehearsed),
            Some(Err(error)) => (None, End::Failed(error)),
            None => (None, End::Stopped),
        };
        Cycled {
            plan,
            end,
            took: began.elapsed(),
        }
    }

    /// Plans a slot and applies it, and again where something changed in between.
    pub(super) async fn cycle(
        &self,
        live: &Live,
        tenure: &Tenure,
        range: SlotRange,
        now: Timestamp,
        stop: &Stop,
    ) -> Cycled {
        let began = Instant::now();
        let mut cycled = Cycled {
            plan: None,
            end: End::Stopped,
            took: Duration::ZERO,
        };
        // Noted later, they would make the plan stale.
        let noted = live.engine.note_settings(&self.instance);
        match stop.unless_told(noted).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                cycled.end = End::Failed(error);
                return cycled;
            }
            None => return cycled,
        }
        for _ in 0..=MAX_REPLANS {
            let plan = match plan(live, range, now, stop).await {
                Some(Ok(plan)) => plan,
                Some(Err(error)) => {
                    cycled.end = End::Failed(error);
                    break;
                }
                None => {
                    cycled.end = End::Stopped;
                    break;
                }
            };
            cycled.end = apply(live, &plan, CycleKind::Slot, tenure, stop).await;
            cycled.plan = Some(plan);
            if !cycled.end.is_stale() {
                break;
            }
            tracing::info!("rules, holds or pauses changed; planning the rest again");
        }
        cycled.took = began.elapsed();
        cycled
    }

    /// Counts a cycle and logs it as one wide event.
    pub(super) fn note(&self, kind: &str, range: Option<SlotRange>, cycled: &Cycled) {
        let outcome = cycled.end.as_str();
        if !matches!(cycled.end, End::Rehearsed) {
            self.metrics.add(metric::CYCLES, &[("outcome", outcome)], 1);
        }
        let report = match &cycled.end {
            End::Reported(report) => Some(report),
            _ => None,
        };
        let error = match &cycled.end {
            End::Failed(error) => Some(error_chain(error)),
            _ => None,
        };
        if report.is_some_and(|report| report.status == CycleStatus::LeaseLost) {
            self.metrics.add(metric::LEASE_LOSSES, &[], 1);
        }
        let plan = cycled.plan.as_ref();
        let n_unprobed = plan.map_or(0, |plan| plan.unprobed.len());
        let is_impossible = matches!(
            cycled.end,
            End::Failed(EngineError::Warehouse(_) | EngineError::NoShard { .. })
        );
        let n_errors = n_unprobed + usize::from(is_impossible);
        self.metrics.add(
            metric::WAREHOUSE_ERRORS,
            &[],
            n_errors.try_into().unwrap_or(u64::MAX),
        );
        tracing::info!(
            cycle = report.map(|report| report.cycle.as_str()),
            kind,
            outcome,
            error,
            day = plan.map(|plan| plan.day.as_str()),
            from_place = range.map(|range| range.from),
            to_place = range.map(|range| range.to),
            revision = plan.map(|plan| plan.revision),
            plan_digest = plan.map(|plan| plan.digest.as_str()),
            n_steps = plan.map(|plan| plan.steps.len()),
            n_statements = report.map(CycleReport::n_statements),
            rows_due = plan.map(|plan| plan.tables.iter().map(|table| table.n_due).sum::<u64>()),
            rows_deleted = report.map(CycleReport::n_deleted),
            n_unprobed,
            duration_ms = ms(cycled.took),
            "cycle"
        );
        if let Some(report) = report {
            self.board
                .write(|status| status.cycle = Some(report.cycle.clone()));
        }
    }
}

/// Nothing if it was stopped; a plan only reads, so it may be left anywhere.
async fn plan(
    live: &Live,
    range: SlotRange,
    now: Timestamp,
    stop: &Stop,
) -> Option<Result<Plan, EngineError>> {
    let request = PlanRequest {
        as_of: Some(now),
        basis: Basis::Effective,
        slot: Some(range),
    };
    stop.unless_told(live.engine.plan(&request)).await
}

/// Applies a plan; the statement that runs is waited for unless that takes too long.
pub(super) async fn apply(
    live: &Live,
    plan: &Plan,
    kind: CycleKind,
    tenure: &Tenure,
    stop: &Stop,
) -> End {
    tokio::select! {
        applied = live.engine.apply(plan, kind, tenure, &stop.gently) => match applied {
            Ok(report) => End::Reported(report),
            Err(error) => End::Failed(error),
        },
        () = stop.at_once.cancelled() => End::Abandoned,
    }
}

impl Sidecar {
    /// Waits for a cycle; meanwhile says when the next slot has to wait for it, and when the servers
    /// that it works on are gone.
    pub(super) async fn watched<T>(
        &self,
        live: &Live,
        world: &World,
        until_next_slot: Duration,
        cycle: impl Future<Output = T>,
    ) -> T {
        let mut cycle = std::pin::pin!(cycle.in_current_span());
        let next_slot_at = Instant::now() + until_next_slot;
        let mut is_late = false;
        loop {
            let next_look = Instant::now() + POLL;
            let until = if is_late {
                next_look
            } else {
                next_look.min(next_slot_at)
            };
            tokio::select! {
                done = &mut cycle => return done,
                () = tokio::time::sleep_until(until.into()) => {}
            }
            if !is_late && Instant::now() >= next_slot_at {
                is_late = true;
                tracing::warn!("{LATE}");
                self.board.phase(Phase::Working, LATE, world.now);
            }
            let reached = tokio::select! {
                done = &mut cycle => return done,
                reached = self.glance(live) => reached,
            };
            match reached {
                Ok(()) => {
                    self.metrics.set_count(metric::READY, &[], 1);
                    let why = if is_late { LATE } else { "a cycle is at work" };
                    if self.board.phase_now() == Phase::Starting {
                        self.board.phase(Phase::Working, why, world.now);
                    }
                }
                Err(error) => {
                    self.metrics.set_count(metric::READY, &[], 0);
                    self.board
                        .phase(Phase::Starting, error_chain(&error), world.now);
                }
            }
        }
    }
}
