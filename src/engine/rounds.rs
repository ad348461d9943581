//! A cycle in rounds: planned, applied, and what changed meanwhile, or became too large for a step,
//! planned again. `run` and `serve` share this loop.
//!
//! Invariant: a round that sent something is followed by another one however often that happens, as
//! long as something changes and the budget is not used up, which is one for all rounds; rounds that
//! send nothing come to an end.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    CycleKind, CycleReport, CycleStatus, Engine, EngineError, Event, PlanRequest, StepOutcomeKind,
    StepReport, Tenure,
};
use crate::plan::{Budget, Method, Plan, Refusal};

/// So many rounds in a row may send nothing before the next cycle has to go on.
const MAX_IDLE: u32 = 3;

/// A cycle that is planned again as long as something changes between plan and end.
pub(crate) struct Rounds<'e> {
    engine: &'e Engine,
    request: PlanRequest,
    kind: CycleKind,
    tenure: &'e Tenure,
    /// The last plan that was made.
    pub(crate) plan: Option<Plan>,
    /// What the rounds before the last one did.
    before: Option<CycleReport>,
    /// What the last round did.
    last: Option<CycleReport>,
    /// What is left of the budget, and since when the first round is at work.
    budget: Budget,
    began_at: Option<Instant>,
}

impl<'e> Rounds<'e> {
    pub(crate) fn new(
        engine: &'e Engine,
        request: PlanRequest,
        kind: CycleKind,
        tenure: &'e Tenure,
    ) -> Self {
        Self {
            engine,
            request,
            kind,
            tenure,
            plan: None,
            before: None,
            last: None,
            budget: engine.limits.budget,
            began_at: None,
        }
    }

    /// Plans and applies; returns the report of the last round. Told to stop, it ends after the
    /// statement that runs; a plan only reads, so it is left anywhere.
    ///
    /// # Errors
    /// As [`Engine::plan`] and [`Engine::apply`]; [`EngineError::Stopped`] if it was told to stop
    /// before anything was applied.
    pub(crate) async fn go(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<CycleReport, EngineError> {
        let engine = self.engine;
        let holder = self.tenure.holder();
        // Noted later, they would make the plan stale.
        unless_told(stop, engine.note_settings(&holder)).await?;
        unless_told(stop, engine.settle_left(self.tenure)).await?;
        // Whoever asks for a backfill asks for its scope, and for no drop beside it.
        if self.request.backfill.is_none() {
            engine.tend_quarantine(self.tenure, stop).await?;
        }
        let mut n_idle = 0;
        loop {
            let applied = Box::pin(self.round(stop)).await;
            let sent_something = |report: &CycleReport| report.n_statements() > 0;
            n_idle = match &applied {
                Ok(report) if sent_something(report) => 0,
                _ => n_idle + 1,
            };
            if let Ok(report) = &applied {
                self.spend(report);
            }
            match applied {
                Err(EngineError::Stopped) if self.last.is_some() => {
                    let last = self.last.take();
                    let stopped = last.map(|last| CycleReport {
                        status: CycleStatus::Stopped,
                        ..last
                    });
                    return stopped.ok_or(EngineError::Stopped);
                }
                applied if n_idle > MAX_IDLE || !may_do_better(&applied) => return applied,
                // Other rounds have nothing to spend; what could not be probed is said.
                Ok(report) if n_idle == 0 && self.is_used_up() => {
                    if report.status == CycleStatus::Failed {
                        return Ok(report);
                    }
                    return Ok(CycleReport {
                        status: CycleStatus::Deferred,
                        ..report
                    });
                }
                Ok(report) => self.last = Some(report),
                Err(_) => {}
            }
            (engine.observer)(&Event::Replanning);
        }
    }

    /// What all rounds did together, where the last of them has this report, if it has one.
    pub(crate) fn together(&mut self, last: Option<&CycleReport>) -> Option<CycleReport> {
        let rounds = [self.before.take(), self.last.take(), last.cloned()];
        rounds
            .into_iter()
            .flatten()
            .reduce(CycleReport::followed_by)
    }

    async fn round(&mut self, stop: &CancellationToken) -> Result<CycleReport, EngineError> {
        let engine = self.engine;
        let planned = engine.plan_within(self.budget, &self.request);
        let plan = unless_told(stop, planned).await?;
        self.before = self.together(None);
        let plan = self.plan.insert(plan);
        let worked = self.began_at.get_or_insert_with(Instant::now).elapsed();
        let time = self.budget.time.saturating_sub(worked);
        let applied = engine.apply_for(time, plan, self.kind, self.tenure, stop);
        Box::pin(applied).await
    }

    /// Takes what a round did from the budget. Rows of partitions that go as a whole do not count.
    fn spend(&mut self, round: &CycleReport) {
        let was_sent =
            |step: &&StepReport| !matches!(step.outcome, StepOutcomeKind::Skipped { .. });
        let counts = |step: &&StepReport| was_sent(step) && step.method != Method::Partition;
        let rows = round.steps.iter().filter(counts).map(|step| step.n_due);
        self.budget.rows = self.budget.rows.saturating_sub(rows.sum());
        self.budget.statements = self.budget.statements.saturating_sub(round.n_statements());
    }

    fn is_used_up(&self) -> bool {
        let worked = self.began_at.map_or(Duration::ZERO, |at| at.elapsed());
        self.budget.rows == 0 || self.budget.statements == 0 || worked >= self.budget.time
    }
}

/// Whether another plan may do better: something changed since this one, or its steps were too large
/// and all that it sent is verified.
fn may_do_better(applied: &Result<CycleReport, EngineError>) -> bool {
    let is_of_a_guard = |refusal: &Refusal| {
        use Refusal::{Held, NotAsked, Paused};
        matches!(refusal, Held { .. } | Paused { .. } | NotAsked { .. })
    };
    match applied {
        Ok(report) => match report.status {
            CycleStatus::Stale => true,
            // What could not be probed fails a cycle, and keeps nobody else from going on.
            CycleStatus::Deferred | CycleStatus::Failed => {
                report.is_shrunk && report.steps.iter().all(StepReport::is_verified)
            }
            _ => false,
        },
        // A workspace moved in the operator's directory, or rules changed while they were read.
        Err(EngineError::Stale { .. } | EngineError::Unsettled { .. }) => true,
        // A hold, a pause or a move in the directory came after the plan: a new one does without
        // what it means.
        Err(EngineError::Refused { refusals }) => refusals.iter().all(is_of_a_guard),
        Err(_) => false,
    }
}

async fn unless_told<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        biased;
        done = work => done,
        () = stop.cancelled() => Err(EngineError::Stopped),
    }
}
