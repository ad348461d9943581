//! Applying a plan: guards, then step by step, shard by shard.

use std::cmp::Reverse;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::damaged::Damaged;
use super::renew::Moved;
use super::report::lag_s;
use super::spent::Spent;
use super::step::Part;
use super::survey::error_chain;
use super::turn::{Shrunk, Waited};
use super::{CycleKind, CycleReport, CycleStatus, Engine, EngineError, Event, StepReport, Tenure};
use crate::ledger::CycleStart;
use crate::plan::{Arm, Backfill, Basis, Method, Plan, Step};
use crate::warehouse::Shard;

/// What a cycle has come across: what stays although it was planned.
#[derive(Default)]
pub(super) struct Course {
    pub(super) damaged: Damaged,
    pub(super) moved: Moved,
    /// Whether steps were left because they are too large by now.
    is_shrunk: bool,
}

/// What a cycle is, beside its plan.
pub(super) struct Cycle<'a> {
    pub(super) id: String,
    pub(super) plan: &'a Plan,
    /// Whether it goes on where the ledger moved on. A plan that a person reviewed is applied as it
    /// is, or not at all.
    pub(super) may_renew: bool,
    pub(super) tenure: &'a Tenure,
    pub(super) stop: &'a CancellationToken,
    pub(super) waited: Waited,
    pub(super) spent: Spent,
    pub(super) shrunk: Shrunk,
}

impl Cycle<'_> {
    /// Why nothing more may be sent, if so.
    pub(super) fn halt(&self) -> Option<CycleStatus> {
        if !self.tenure.is_held() {
            Some(CycleStatus::LeaseLost)
        } else if self.stop.is_cancelled() {
            Some(CycleStatus::Stopped)
        } else {
            None
        }
    }

    /// What comes of something, unless it is told to stop or loses its lease before.
    pub(super) async fn unless_halted<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.stop.cancelled() => None,
            () = self.tenure.lost().cancelled() => None,
        }
    }
}

impl Engine {
    /// Executes this plan, step by step, and records it. Before each statement it looks whether the
    /// lease is held, the window of the day open, and `stop` not called; a statement that runs is
    /// waited for, verified and recorded. Where the ledger moved on, it leaves out what the rules of
    /// now do not allow just as it was planned, and ends as [`CycleStatus::Stale`]; a plan that was
    /// reviewed it does not go on with at all.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if a guard forbids it, [`EngineError::Closed`] outside of the window
    /// of the day, other errors if the ledger or the whole warehouse fails. What goes wrong with a
    /// step is an outcome in the report.
    pub async fn apply(
        &self,
        plan: &Plan,
        kind: CycleKind,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<CycleReport, EngineError> {
        let time = self.limits.budget.time;
        Box::pin(self.apply_for(time, plan, kind, tenure, stop)).await
    }

    /// The same for so long: after it nothing more is sent.
    pub(super) async fn apply_for(
        &self,
        time: Duration,
        plan: &Plan,
        kind: CycleKind,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<CycleReport, EngineError> {
        self.check_window()?;
        // If they were not noted when the plan was made, this makes it stale.
        self.note_settings(&tenure.holder()).await?;
        self.check_guards(plan).await?;
        let cycle = Cycle {
            id: self.clock.unique_id(),
            plan,
            may_renew: plan.basis == Basis::Effective && kind != CycleKind::Apply,
            tenure,
            stop,
            waited: Waited::default(),
            spent: Spent::new(time),
            shrunk: Shrunk::default(),
        };
        let start = CycleStart {
            id: cycle.id.clone(),
            started_at: self.clock.now(),
            as_of: plan.as_of,
            rules_digest: plan.rules_digest.clone(),
            revision: plan.revision,
            kind: kind.as_str().into(),
            plan_digest: plan.digest.clone(),
            slot: plan.slot.map(|slot| (plan.day.clone(), slot)),
            holder: tenure.holder(),
            lease_token: tenure.token(),
            asked: plan.backfill.as_ref().map(Backfill::text),
        };
        self.ledger.begin_cycle(&start).await?;
        (self.observer)(&Event::CycleStarted {
            cycle: &cycle.id,
            plan,
        });
        let applied = self.apply_steps(&cycle).await;
        let status = applied
            .as_ref()
            .map_or(CycleStatus::Failed, |report| report.status);
        let now = self.clock.now();
        let ended = self.ledger.end_cycle(&cycle.id, status.as_str(), now).await;
        let report = applied?;
        ended?;
        (self.observer)(&Event::CycleEnded { report: &report });
        Ok(report)
    }

    async fn apply_steps(&self, cycle: &Cycle<'_>) -> Result<CycleReport, EngineError> {
        let plan = cycle.plan;
        let mut steps = Vec::new();
        let mut course = Course::default();
        let mut halted = None;
        let shards = self.most_overdue_first(plan);
        let n_shards = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        for (shard, n_to_follow) in shards.into_iter().zip((0..n_shards).rev()) {
            cycle.spent.begin_turn(n_shards, n_to_follow);
            let of_shard = self.apply_shard(cycle, shard, &mut course, &mut steps);
            halted = of_shard.await?.or(halted);
            // Whose time is over leaves the others theirs.
            if !matches!(halted, None | Some(CycleStatus::Deferred)) {
                break;
            }
        }
        let all_verified = steps.iter().all(StepReport::is_verified) && plan.unprobed.is_empty();
        let status = match (halted, all_verified) {
            (Some(CycleStatus::Deferred) | None, false) => CycleStatus::Failed,
            (Some(status), _) => status,
            // What was left out is due in the next cycle, too.
            (None, true) if !plan.deferred.is_empty() => CycleStatus::Deferred,
            (None, true) if course.moved.is_anything => CycleStatus::Stale,
            // A slot that is done is not looked at again today; this one is when the pause ends.
            (None, true) if plan.slot.is_some() && !plan.paused.is_empty() => CycleStatus::Partial,
            (None, true) => CycleStatus::Done,
        };
        Ok(CycleReport {
            cycle: cycle.id.clone(),
            status,
            steps,
            unprobed: plan.unprobed.clone(),
            is_shrunk: course.is_shrunk,
            n_before: 0,
        })
    }

    /// The shards with steps. What is paused makes none of them go first.
    fn most_overdue_first(&self, plan: &Plan) -> Vec<&Shard> {
        let lag_of = |step: &Step| match step.method {
            Method::Partition => {
                let mut tables = plan.tables.iter();
                let table = tables.find(|of| (&of.shard, &of.table) == (&step.shard, &step.table));
                table.map_or(0, |table| table.lag_s)
            }
            Method::Lightweight | Method::Patch => lag_s(&step.arms),
        };
        let with_lag = |shard| {
            let steps = plan.steps.iter();
            let of_shard = steps.filter(|step| *step.shard == *Shard::name(shard));
            Some((of_shard.map(lag_of).max()?, shard))
        };
        let shards = self.warehouse.shards().iter();
        let mut shards: Vec<(u32, &Shard)> = shards.filter_map(with_lag).collect();
        shards.sort_by_key(|(lag_s, _)| Reverse(*lag_s));
        shards.into_iter().map(|(_, shard)| shard).collect()
    }

    /// Applies the steps of one shard; returns why the rest was left, if it was.
    async fn apply_shard(
        &self,
        cycle: &Cycle<'_>,
        shard: &Shard,
        course: &mut Course,
        reports: &mut Vec<StepReport>,
    ) -> Result<Option<CycleStatus>, EngineError> {
        let plan = cycle.plan;
        let of_shard = |step: &&Step| &*step.shard == shard.name();
        let steps: Vec<&Step> = plan.steps.iter().filter(of_shard).collect();
        let of_project = |arm: &Arm| arm.project().is_some() || !arm.exceptions().is_empty();
        let needs_project = steps.iter().flat_map(|step| &step.arms).any(of_project);
        // The schema may have changed since the plan was made.
        let targets = match self.checked_targets(shard, needs_project).await {
            Ok(targets) => Ok(targets),
            Err(error @ EngineError::Clock { .. }) => return Err(error),
            Err(error) => Err(error_chain(&error)),
        };
        course.damaged = Damaged::default();
        course.moved.begin_shard();
        for step in steps {
            let targets = targets.as_ref().map_err(String::clone).and_then(|targets| {
                let found = targets
                    .iter()
                    .position(|target| *target.table == *step.table);
                let up_to = found.and_then(|at| targets.get(..=at));
                up_to.ok_or_else(|| format!("table {} is no target any more", step.table))
            });
            let part = Part { cycle, shard, step };
            if self.halt(cycle).is_none() && self.is_too_large(&part) {
                course.is_shrunk = true;
                return Ok(Some(CycleStatus::Deferred));
            }
            match Box::pin(self.apply_step(&part, targets, course)).await? {
                Ok(None) => {}
                Ok(Some(report)) => {
                    (self.observer)(&Event::StepFinished {
                        report: &report,
                        of: plan.steps.len(),
                    });
                    reports.push(report);
                }
                Err(status) => return Ok(Some(status)),
            }
        }
        Ok(None)
    }
}
