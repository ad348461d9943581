//! Applying one step: pace, intent, effect, proof.

mod record;

use std::time::Instant;

use super::apply::{Course, Cycle};
use super::renew::Patience;
use super::report::{StepOutcomeKind, lag_s};
use super::survey::{error_chain, still_running};
use super::turn::Place;
use super::{CycleStatus, Engine, EngineError, Event, StepReport};
use crate::compile::{Statement, Within, compile_step, drop_parts};
use crate::ledger::Intended;
use crate::plan::{Arm, Method, Step};
use crate::target::{CheckedTarget, QuarantineTable};
use crate::verify::judge;
use crate::warehouse::{Execution, Request, Shard, WarehouseError, marker};

/// One step of a plan on its shard, in its cycle.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) cycle: &'a Cycle<'a>,
    pub(super) shard: &'a Shard,
    pub(super) step: &'a Step,
}

impl<'a> Part<'a> {
    fn place(&self) -> Place<'a> {
        Place {
            cycle: self.cycle,
            shard: self.shard,
            table: &self.step.table,
            frees_disk: self.step.method == Method::Partition,
        }
    }
}

/// A step whose intent is recorded.
struct Announced {
    arms: Vec<Arm>,
    statement: Statement,
    marker: String,
    report: StepReport,
}

impl Engine {
    /// Applies one step; no report where nothing of it may go any more, or the status that the cycle
    /// ends with where its statement may not be sent. The targets are those of its shard in the
    /// order of work, up to its own.
    #[tracing::instrument(
        name = "step",
        skip_all,
        fields(step = part.step.number, table = %part.step.table, shard = %part.step.shard)
    )]
    pub(super) async fn apply_step(
        &self,
        part: &Part<'_>,
        targets: Result<&[CheckedTarget], String>,
        course: &mut Course,
    ) -> Result<Result<Option<StepReport>, CycleStatus>, EngineError> {
        let Part { cycle, step, .. } = *part;
        if let Some(status) = self.halt(cycle) {
            return Ok(Err(status));
        }
        let arms = step.arms.clone();
        let allowed = match &targets {
            Ok(targets) => course.moved.allowed(step, arms, targets, cycle.plan),
            Err(_) => Some(arms),
        };
        let Some(mut arms) = allowed else {
            return Ok(Ok(None));
        };
        (self.observer)(&Event::StepStarted {
            step,
            of: cycle.plan.steps.len(),
        });
        arms.retain(|arm| !course.damaged.contains(&arm.workspace));
        let goes_whole = step.method == Method::Partition;
        let (mut is_running, mut held_by) = (false, None);
        let ready = match targets {
            Ok(_) if goes_whole && !course.damaged.is_nobody() => {
                Err("the children of some rows in it could not be deleted in this cycle".into())
            }
            Ok(_) if arms.is_empty() && !goes_whole => {
                Err("the children of its workspaces could not be deleted in this cycle".into())
            }
            Ok(targets) => match self
                .wait_for_turn(&part.place(), n_to_pace(step, &arms))
                .await
            {
                // Waiting may have taken a while: only now is it known what else is under way.
                Ok(()) => match self.clear(part, targets).await {
                    Ok(parts) => Ok((targets, parts)),
                    Err(obstacle) => {
                        is_running = obstacle.is_running;
                        Err(obstacle.reason)
                    }
                },
                Err(wait) => {
                    held_by = Some(wait.signal);
                    Err(wait.to_string())
                }
            },
            Err(reason) => Err(reason),
        };
        if let Some(status) = self.halt(cycle) {
            return Ok(Err(status));
        }
        let (targets, parts) = match ready {
            Ok(ready) => ready,
            Err(reason) => {
                let workspaces = arms.into_iter().map(|arm| arm.workspace);
                course.damaged.note(step, workspaces);
                return Ok(Ok(Some(StepReport {
                    is_running,
                    held_by,
                    ..StepReport::skipped(step, reason)
                })));
            }
        };
        let announced = self.announce(part, targets, arms, parts, course).await?;
        match (announced, targets.last()) {
            (Ok(Some(announced)), Some(target)) => {
                let sent = self.send(part, target, announced, course).await?;
                Ok(sent.map(Some))
            }
            (Ok(_), _) => Ok(Ok(None)),
            (Err(status), _) => Ok(Err(status)),
        }
    }

    /// Records the intent of a step. Where the ledger moved on, the cycle does too, and the step goes
    /// on with what is still due of it; nothing where that is nothing.
    async fn announce(
        &self,
        part: &Part<'_>,
        targets: &[CheckedTarget],
        mut arms: Vec<Arm>,
        mut parts: Vec<String>,
        course: &mut Course,
    ) -> Result<Result<Option<Announced>, CycleStatus>, EngineError> {
        let Part { cycle, shard, step } = *part;
        let Some(target) = targets.last() else {
            return Ok(Ok(None));
        };
        let identity = format!("{}-{}", cycle.id, step.number);
        let marker = marker(&step.table, &identity);
        let mut patience = Patience::new();
        loop {
            let drops = step.method == Method::Partition && target.ways.quarantine.is_none();
            let statement = if drops {
                drop_parts(target, &parts)
            } else {
                compile_step(target, step, &arms, &marker)
            };
            let report = StepReport {
                shape: Some(statement.shape),
                query_id: Some(format!("ebbtide-{identity}")),
                n_arms: arms.len(),
                n_left_out: step.arms.len() - arms.len(),
                n_due: n_due(step, &arms),
                ..StepReport::skipped(step, String::new())
            };
            // The last look at rules, holds, pauses and lease, and the record of the intent are one.
            let renewed = course.moved.renewed.as_ref();
            let intent = self.intent(part, &report, &statement, &arms, renewed);
            match self.ledger.intend_step(&intent).await? {
                Intended::Recorded => {
                    return Ok(Ok(Some(Announced {
                        arms,
                        statement,
                        marker,
                        report,
                    })));
                }
                Intended::Stale if cycle.may_renew => {}
                Intended::Stale => return Ok(Err(CycleStatus::Stale)),
                Intended::LeaseLost => return Ok(Err(CycleStatus::LeaseLost)),
            }
            match Box::pin(self.renew(cycle, &mut patience)).await? {
                Ok(renewed) => course.moved.renewed = Some(renewed),
                Err(status) => return Ok(Err(status)),
            }
            let allowed = course.moved.allowed(step, arms, targets, cycle.plan);
            let Some(allowed) = allowed else {
                return Ok(Ok(None));
            };
            arms = allowed;
            // The count of what is in whole partitions is as old as the wait was long.
            if step.method == Method::Partition {
                parts = match self.count_parts(shard, target, step).await {
                    Ok(parts) => parts,
                    Err(reason) => {
                        tracing::info!(table = %step.table, reason, "partitions are left for another plan");
                        course.moved.leave_whole();
                        return Ok(Ok(None));
                    }
                };
            }
        }
    }

    /// Sends a statement whose intent is recorded, proves what it did, and records that.
    async fn send(
        &self,
        part: &Part<'_>,
        target: &CheckedTarget,
        announced: Announced,
        course: &mut Course,
    ) -> Result<Result<StepReport, CycleStatus>, EngineError> {
        let Part { cycle, step, .. } = *part;
        let Announced {
            mut arms,
            statement,
            marker,
            mut report,
        } = announced;
        let started = Instant::now();
        let quarantine = target
            .ways
            .quarantine
            .filter(|_| step.method == Method::Partition);
        let kept_in = QuarantineTable::of_step(&marker);
        let mut moved = Vec::new();
        if let Some(quarantine) = quarantine {
            let opened = self
                .open_quarantine(part, target, quarantine, &kept_in)
                .await?;
            match opened {
                Ok(new) => moved = new,
                Err(error) => return self.not_opened(part, report, &error, course).await,
            }
        }
        // Recording may have taken longer than the lease lasts; sending takes its time, too.
        if !cycle.tenure.may_send() {
            let reason = "not started: the lease was lost, or nearly";
            // Nothing was sent, so nothing went.
            report.outcome = StepOutcomeKind::Failed {
                error: reason.into(),
                recorded: reason.into(),
                n_left: Some(report.n_due),
            };
            let outcome = self.outcome(part, &report);
            self.ledger.finish_step(&outcome).await?;
            return Ok(Err(CycleStatus::LeaseLost));
        }
        let request = Request {
            sql: &statement.sql,
            query_id: report.query_id.as_deref().unwrap_or_default(),
            log_comment: &marker,
            marker: &marker,
            is_mutation: statement.is_mutation,
            settings: &statement.settings,
            params: &[],
        };
        cycle.spent.send();
        let (execution, took) = self.execute_watched(part, &request).await;
        report.statement = took;
        report.is_running = matches!(execution, Execution::Running { .. });
        // One that failed may have moved some of its partitions before.
        let is_over = matches!(
            execution,
            Execution::Done | Execution::Failed { .. } | Execution::Vanished { .. }
        );
        if is_over {
            self.close_quarantine(part, target, &kept_in, moved).await?;
        }
        let settled = self.settle(part, target, &mut arms, report.n_due, execution);
        report.outcome = settled.await;
        report.duration = started.elapsed();
        report.probe = report.duration.saturating_sub(report.statement);
        // After a count, the arms say which workspaces have rows left.
        let is_counted = report.outcome.is_counted();
        report.lag_s = lag_s(if is_counted { &arms } else { &step.arms });
        if !report.is_verified() {
            let left = arms.into_iter().filter(|arm| !is_counted || arm.n_due > 0);
            course.damaged.note(step, left.map(|arm| arm.workspace));
        }
        self.ledger
            .finish_step(&self.outcome(part, &report))
            .await?;
        Ok(Ok(report))
    }

    /// Records that there is no table to move partitions to: nothing left its own.
    async fn not_opened(
        &self,
        part: &Part<'_>,
        mut report: StepReport,
        error: &WarehouseError,
        course: &mut Course,
    ) -> Result<Result<StepReport, CycleStatus>, EngineError> {
        let what = "no table for the quarantine: ";
        report.outcome = StepOutcomeKind::Failed {
            error: format!("{what}{}", error_chain(error)),
            recorded: format!("{what}{}", error.for_the_record()),
            n_left: Some(report.n_due),
        };
        report.lag_s = lag_s(&part.step.arms);
        course.damaged.note(part.step, []);
        let outcome = self.outcome(part, &report);
        self.ledger.finish_step(&outcome).await?;
        Ok(Ok(report))
    }

    /// The parts of whole partitions that may go, none for other steps; or why a step cannot be sent
    /// now.
    async fn clear(
        &self,
        part: &Part<'_>,
        targets: &[CheckedTarget],
    ) -> Result<Vec<String>, Obstacle> {
        let Part { shard, step, .. } = *part;
        let obstacle = |reason, is_running| Obstacle { reason, is_running };
        let earlier = shard.unfinished_mutations(&step.table).await;
        let earlier = earlier.map_err(|error| obstacle(error_chain(&error), false))?;
        if !earlier.is_empty() {
            return Err(obstacle(still_running(&earlier), true));
        }
        match targets.last().filter(|_| step.method == Method::Partition) {
            Some(target) => {
                let counted = self.count_parts(shard, target, step).await;
                counted.map_err(|reason| obstacle(reason, false))
            }
            None => Ok(Vec::new()),
        }
    }

    /// What an execution means. Where the server says done, failed, or cannot say, the rows left
    /// are counted: nothing else proves a delete, or that there was none. What did not delete must
    /// not count against the share of the day.
    async fn settle(
        &self,
        part: &Part<'_>,
        target: &CheckedTarget,
        arms: &mut [Arm],
        n_due: u64,
        execution: Execution,
    ) -> StepOutcomeKind {
        let failed = |what: &str, error: &WarehouseError, n_left| StepOutcomeKind::Failed {
            error: format!("{what}{}", error_chain(error)),
            recorded: format!("{what}{}", error.for_the_record()),
            n_left,
        };
        match execution {
            Execution::Done | Execution::Vanished { .. } => {
                let left = self.count_left(part, target, arms).await;
                StepOutcomeKind::Applied(judge(left))
            }
            Execution::Failed {
                error,
                standing: None,
            } => {
                let left = self.count_left(part, target, &mut arms.to_vec()).await;
                failed("", &error, left)
            }
            // The server tries it again until it is killed: all of it may go yet.
            Execution::Failed { error, .. } => failed("", &error, None),
            Execution::NotStarted { error } => failed("not started: ", &error, Some(n_due)),
            Execution::Running { error, .. } => failed("still running: ", &error, None),
            Execution::Unknown { error, .. } => failed("outcome unknown: ", &error, None),
        }
    }

    /// Rows that are left; nothing if they cannot be counted.
    async fn count_left(
        &self,
        part: &Part<'_>,
        target: &CheckedTarget,
        arms: &mut [Arm],
    ) -> Option<u64> {
        let Part { shard, step, .. } = *part;
        let left = if step.method == Method::Partition {
            self.count_whole(shard, target, step).await
        } else {
            let within = Within::step(&step.partitions);
            self.count(shard, target, arms, within).await
        };
        if let Err(error) = &left {
            tracing::warn!(table = target.table, %error, "cannot count what is left");
        }
        left.ok()
    }
}

/// Rows that a step takes with these arms; whole partitions have none.
fn n_due(step: &Step, arms: &[Arm]) -> u64 {
    if step.method == Method::Partition {
        return step.n_due;
    }
    arms.iter().map(|arm| arm.n_due).sum()
}

/// Rows that count for the pace. Dropping a partition takes the server no longer for more rows.
fn n_to_pace(step: &Step, arms: &[Arm]) -> u64 {
    if step.method == Method::Partition {
        return 0;
    }
    n_due(step, arms)
}

/// Why a step cannot be sent now.
struct Obstacle {
    reason: String,
    /// Whether an earlier statement still runs.
    is_running: bool,
}
