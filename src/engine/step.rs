//! Applying one step: pace, intent, effect, proof.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::apply::{Cycle, Damaged};
use super::report::{StepOutcomeKind, lag_s};
use super::survey::{error_chain, still_running};
use super::{CycleStatus, Engine, EngineError, Event, StepReport};
use crate::compile::{self, Statement};
use crate::cutoff::Bounds;
use crate::ledger::{Intended, StepIntent, StepOutcome};
use crate::plan::{Arm, Plan, Step};
use crate::rule::RuleId;
use crate::target::CheckedTarget;
use crate::verify::{Verdict, judge};
use crate::warehouse::{Execution, Request, Shard, WarehouseError, marker};

/// One step of a plan on its shard, in its cycle.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) cycle: &'a Cycle<'a>,
    pub(super) shard: &'a Shard,
    pub(super) step: &'a Step,
}

impl Engine {
    /// Applies one step; the status that the cycle ends with where its statement may not be sent.
    #[tracing::instrument(
        name = "step",
        skip_all,
        fields(step = part.step.number, table = %part.step.table, shard = %part.step.shard)
    )]
    pub(super) async fn apply_step(
        &self,
        part: &Part<'_>,
        target: Result<&CheckedTarget, String>,
        damaged: &mut Damaged,
    ) -> Result<Result<StepReport, CycleStatus>, EngineError> {
        let Part { cycle, shard, step } = *part;
        if let Some(status) = self.halt(cycle) {
            return Ok(Err(status));
        }
        (self.observer)(&Event::StepStarted {
            step,
            of: cycle.plan.steps.len(),
        });
        let mut arms: Vec<Arm> = step.arms.clone();
        arms.retain(|arm| !damaged.contains(&arm.workspace));
        let n_due = arms.iter().map(|arm| arm.n_due).sum();
        let mut held_by = None;
        let ready = match target {
            Ok(_) if arms.is_empty() => {
                Err("the children of its workspaces could not be deleted in this cycle".into())
            }
            Ok(target) => match self.wait_for_turn(part, n_due).await {
                // Waiting may have taken a while: only now is it known what else is under way.
                Ok(()) => obstacle(shard, step).await.map_or(Ok(target), Err),
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
        let target = match ready {
            Ok(target) => target,
            Err(reason) => {
                damaged.extend(arms.into_iter().map(|arm| arm.workspace));
                let mut report = StepReport::skipped(step, reason);
                report.held_by = held_by;
                return Ok(Ok(report));
            }
        };
        let identity = format!("{}-{}", cycle.id, step.number);
        let marker = marker(&step.table, &identity);
        let statement = compile::compile(target, &arms, &marker);
        let mut report = StepReport {
            shape: Some(statement.shape),
            query_id: Some(format!("ebbtide-{identity}")),
            n_arms: arms.len(),
            n_left_out: step.arms.len() - arms.len(),
            n_due,
            ..StepReport::skipped(step, String::new())
        };
        // The last look at rules, holds, pauses and lease, and the record of the intent are one.
        let intent = self.intent(part, &report, &statement, &arms);
        match self.ledger.intend_step(&intent).await? {
            Intended::Recorded => {}
            Intended::Stale => return Ok(Err(CycleStatus::Stale)),
            Intended::LeaseLost => return Ok(Err(CycleStatus::LeaseLost)),
        }
        // Recording may have taken longer than the lease lasts.
        if !cycle.tenure.is_held() {
            let reason = "not started: the lease was lost";
            // Nothing was sent, so nothing went.
            report.outcome = StepOutcomeKind::Failed {
                error: reason.into(),
                recorded: reason.into(),
                n_left: Some(n_due),
            };
            let outcome = self.outcome(part, &report);
            self.ledger.finish_step(&outcome).await?;
            return Ok(Err(CycleStatus::LeaseLost));
        }
        let started = Instant::now();
        let request = Request {
            sql: &statement.sql,
            query_id: report.query_id.as_deref().unwrap_or_default(),
            log_comment: &marker,
            marker: &marker,
            settings: &statement.settings,
        };
        let (execution, took) = self.execute_watched(part, &request).await;
        report.statement = took;
        report.outcome = self.settle(shard, target, &mut arms, execution).await;
        report.duration = started.elapsed();
        report.probe = report.duration.saturating_sub(report.statement);
        // After a count, the arms say which workspaces have rows left.
        let is_counted = report.outcome.is_counted();
        report.lag_s = lag_s(if is_counted { &arms } else { &step.arms });
        if !report.is_verified() {
            let left = arms.into_iter().filter(|arm| !is_counted || arm.n_due > 0);
            damaged.extend(left.map(|arm| arm.workspace));
        }
        self.ledger
            .finish_step(&self.outcome(part, &report))
            .await?;
        Ok(Ok(report))
    }

    /// What an execution means. Where the server says done, failed, or cannot say, the rows left
    /// are counted: nothing else proves a delete, or that there was none. What did not delete must
    /// not count against the share of the day.
    async fn settle(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        execution: Execution,
    ) -> StepOutcomeKind {
        let n_due = arms.iter().map(|arm| arm.n_due).sum();
        let failed = |what: &str, error: &WarehouseError, n_left| StepOutcomeKind::Failed {
            error: format!("{what}{}", error_chain(error)),
            recorded: format!("{what}{}", error.for_the_record()),
            n_left,
        };
        match execution {
            Execution::Done | Execution::Vanished { .. } => {
                let left = self.count_left(shard, target, arms).await;
                StepOutcomeKind::Applied(judge(left))
            }
            Execution::Failed {
                error,
                standing: None,
            } => {
                let left = self.count_left(shard, target, &mut arms.to_vec()).await;
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
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
    ) -> Option<u64> {
        let left = self.count(shard, target, arms).await;
        if let Err(error) = &left {
            tracing::warn!(table = target.table, %error, "cannot count what is left");
        }
        left.ok()
    }

    fn intent(
        &self,
        part: &Part<'_>,
        report: &StepReport,
        statement: &Statement,
        arms: &[Arm],
    ) -> StepIntent {
        let Part { cycle, step, .. } = *part;
        let digest = Sha256::digest(&statement.sql);
        StepIntent {
            cycle: cycle.id.clone(),
            step: step.number,
            shard: step.shard.to_string(),
            table: step.table.to_string(),
            method: step.method.as_str().into(),
            shape: statement.shape.as_str().into(),
            query_id: report.query_id.clone().unwrap_or_default(),
            statement_digest: format!("{digest:x}"),
            n_workspaces: u64::try_from(report.n_arms).unwrap_or(u64::MAX),
            rows_due: report.n_due,
            predicate: statement.predicate().into(),
            bounds: bounds(cycle.plan, arms),
            intended_at: self.clock.now(),
        }
    }

    fn outcome(&self, part: &Part<'_>, report: &StepReport) -> StepOutcome {
        let (verdict, rows_left, error) = match &report.outcome {
            StepOutcomeKind::Applied(verdict) => {
                let left = match verdict {
                    Verdict::Verified => Some(0),
                    Verdict::Incomplete { n_left } => Some(*n_left),
                    Verdict::Unknown => None,
                };
                (verdict.as_str(), left, None)
            }
            StepOutcomeKind::Failed {
                recorded, n_left, ..
            } => ("failed", *n_left, Some(recorded.clone())),
            StepOutcomeKind::Skipped { reason } => ("failed", None, Some(reason.clone())),
        };
        StepOutcome {
            cycle: part.cycle.id.clone(),
            step: part.step.number,
            verdict: verdict.into(),
            rows_left,
            error,
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            finished_at: self.clock.now(),
        }
    }
}

/// Policies of a step with the same rule and interval.
#[derive(Serialize)]
struct BoundsLine<'a> {
    rule: Option<RuleId>,
    retention: Option<&'a str>,
    cutoff: Timestamp,
    from: Option<Timestamp>,
    n_policies: u64,
    n_due: u64,
}

/// The rules and cutoffs of a step as JSON.
fn bounds(plan: &Plan, arms: &[Arm]) -> String {
    let mut sums: BTreeMap<(Option<RuleId>, Bounds), (u64, u64)> = BTreeMap::new();
    for arm in arms {
        let (n_policies, n_due) = sums.entry((arm.rule, arm.bounds)).or_default();
        *n_policies += 1;
        *n_due += arm.n_due;
    }
    let instant = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    let line = |((rule, bounds), (n_policies, n_due)): (_, _)| {
        let (rule, bounds): (Option<RuleId>, Bounds) = (rule, bounds);
        let planned = plan.rules.iter().find(|planned| planned.rule == rule);
        BoundsLine {
            rule,
            retention: planned.map(|planned| &*planned.retention),
            cutoff: instant(bounds.below_ms),
            from: bounds.from_ms.map(instant),
            n_policies,
            n_due,
        }
    };
    let lines: Vec<BoundsLine<'_>> = sums.into_iter().map(line).collect();
    serde_json::to_string(&lines).unwrap_or_default()
}

/// Why a step cannot be sent now, if so.
async fn obstacle(shard: &Shard, step: &Step) -> Option<String> {
    match shard.unfinished_mutations(&step.table).await {
        Ok(earlier) if earlier.is_empty() => None,
        Ok(earlier) => Some(still_running(&earlier)),
        Err(error) => Some(error_chain(&error)),
    }
}
