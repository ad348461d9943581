//! One cycle of the loop: plan, apply, and what follows from how it ended.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::Instrument as _;

use super::world::World;
use super::{Live, POLL, Phase, Sidecar, Stop};
use crate::engine::{
    CycleKind, CycleReport, CycleStatus, EngineError, PlanRequest, Rounds, Tenure, error_chain,
};
use crate::plan::Plan;
use crate::slot::SlotRange;
use crate::telemetry::{metric, ms};

/// What is said of a cycle that takes too long.
const LATE: &str = "the cycle takes longer than its slot; the next slot is due and waits for it";

/// A cycle as the loop sees it afterwards.
pub(super) struct Cycled {
    /// The plan, if one was made.
    pub(super) plan: Option<Plan>,
    /// How it ended; with a report of the last round alone, which is what the plan is of.
    pub(super) end: End,
    /// What all its rounds did together, if they did anything.
    pub(super) together: Option<CycleReport>,
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
    pub(super) fn report(&self) -> Option<&CycleReport> {
        match self {
            Self::Reported(report) => Some(report),
            _ => None,
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
        let request = request(range, now);
        let planned = live.engine.plan(&request);
        let (plan, end) = match stop.unless_told(planned).await {
            Some(Ok(plan)) => (Some(plan), End::Rehearsed),
            Some(Err(error)) => (None, End::Failed(error)),
            None => (None, End::Stopped),
        };
        Cycled {
            plan,
            end,
            together: None,
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
        let request = request(range, now);
        let mut rounds = Rounds::new(&live.engine, request, CycleKind::Slot, tenure);
        let end = unless_left(rounds.go(&stop.gently), stop).await;
        Cycled {
            together: rounds.together(end.report()),
            plan: rounds.plan,
            end,
            took: began.elapsed(),
        }
    }

    /// Counts a cycle and logs it as one wide event.
    pub(super) fn note(&self, kind: &str, range: Option<SlotRange>, cycled: &Cycled) {
        let outcome = cycled.end.as_str();
        if !matches!(cycled.end, End::Rehearsed) {
            self.metrics.add(metric::CYCLES, &[("outcome", outcome)], 1);
        }
        let report = cycled.together.as_ref();
        let error = match &cycled.end {
            End::Failed(error) => Some(error_chain(error)),
            _ => None,
        };
        if outcome == CycleStatus::LeaseLost.as_str() {
            self.metrics.add(metric::LEASE_LOSSES, &[], 1);
        }
        let plan = cycled.plan.as_ref();
        let n_unprobed = plan.map_or(0, |plan| plan.unprobed.len());
        for by_hand in plan.iter().flat_map(|plan| &plan.by_hand) {
            let (shard, table, reason) = (&*by_hand.shard, &*by_hand.table, &*by_hand.reason);
            tracing::warn!(shard, table, reason, "a decision is left to a person");
        }
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

/// The plan of a slot as of an instant.
fn request(range: SlotRange, now: Timestamp) -> PlanRequest {
    PlanRequest {
        as_of: Some(now),
        slot: Some(range),
        with_totals: true,
        ..PlanRequest::default()
    }
}

/// How a cycle ended; the statement that runs is waited for unless that takes too long.
pub(super) async fn unless_left(
    cycle: impl Future<Output = Result<CycleReport, EngineError>>,
    stop: &Stop,
) -> End {
    tokio::select! {
        biased;
        ended = cycle => match ended {
            Ok(report) => End::Reported(report),
            Err(EngineError::Stopped) => End::Stopped,
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
            self.metrics.tidy();
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
