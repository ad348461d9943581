//! Applying a plan: guards, pace, intent, effect, proof.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::{HashSet, HashSetExt};
use sha2::{Digest, Sha256};

use super::report::StepOutcomeKind;
use super::survey::{error_chain, still_running};
use super::{CycleReport, CycleStatus, Engine, EngineError, Event, StepReport};
use crate::compile::{self, Statement};
use crate::cutoff::{Cutoff, utc_day};
use crate::ledger::{Intended, StepIntent, StepOutcome};
use crate::plan::{Arm, Plan, Refusal, Step, refusals};
use crate::target::CheckedTarget;
use crate::verify::{Verdict, judge};
use crate::warehouse::{Execution, Request, Shard, WarehouseError, marker};

/// Workspaces of a shard whose children may be left: their parents stay in this cycle.
type Damaged = HashSet<Arc<str>>;

impl Engine {
    /// The guards of the planner, once more, and those that only the executor can know.
    pub(super) fn check_guards(&self, plan: &Plan) -> Result<(), EngineError> {
        let mut found = refusals(&plan.tables, &self.limits);
        let now = self.clock.now();
        if utc_day(plan.as_of) > utc_day(now) {
            found.push(Refusal::Future {
                day: plan.day.clone(),
                today: utc_day(now),
            });
        }
        let youngest = Cutoff::at(now, self.periods.floor()).as_millisecond();
        let too_young = |step: &&Step| step.arms.iter().any(|arm| arm.bounds.below_ms > youngest);
        found.extend(
            plan.steps
                .iter()
                .filter(too_young)
                .map(|step| Refusal::Floor {
                    step: step.number,
                    table: Arc::clone(&step.table),
                    floor: self.periods.floor(),
                }),
        );
        if found.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Refused { refusals: found })
        }
    }

    pub(super) async fn apply_steps(
        &self,
        plan: &Plan,
        cycle: &str,
    ) -> Result<CycleReport, EngineError> {
        let mut steps = Vec::new();
        let mut is_stale = false;
        for shard in self.warehouse.shards() {
            if !is_stale {
                is_stale = self.apply_shard(plan, cycle, shard, &mut steps).await?;
            }
        }
        let all_verified = steps.iter().all(StepReport::is_verified) && plan.unprobed.is_empty();
        let status = match (is_stale, all_verified) {
            (true, _) => CycleStatus::Stale,
            (false, true) => CycleStatus::Done,
            (false, false) => CycleStatus::Failed,
        };
        Ok(CycleReport {
            cycle: cycle.into(),
            status,
            steps,
            unprobed: plan.unprobed.clone(),
        })
    }

    /// Applies the steps of one shard; returns whether the rules changed and the rest was left.
    async fn apply_shard(
        &self,
        plan: &Plan,
        cycle: &str,
        shard: &Shard,
        reports: &mut Vec<StepReport>,
    ) -> Result<bool, EngineError> {
        let steps: Vec<&Step> = plan
            .steps
            .iter()
            .filter(|step| &*step.shard == shard.name())
            .collect();
        if steps.is_empty() {
            return Ok(false);
        }
        let of_project = |arm: &Arm| arm.project().is_some() || !arm.exceptions().is_empty();
        let needs_project = steps.iter().flat_map(|step| &step.arms).any(of_project);
        // The schema may have changed since the plan was made.
        let targets = self.checked_targets(shard, needs_project).await;
        let targets = targets.map_err(|error| error_chain(&error));
        let mut damaged = Damaged::new();
        for step in steps {
            let target = targets.as_ref().map_err(String::clone).and_then(|targets| {
                let found = targets.iter().find(|target| *target.table == *step.table);
                found.ok_or_else(|| format!("table {} is no target any more", step.table))
            });
            let part = Part {
                plan,
                cycle,
                shard,
                step,
            };
            let Some(report) = self.apply_step(&part, target, &mut damaged).await? else {
                return Ok(true);
            };
            (self.observer)(&Event::StepFinished {
                report: &report,
                of: plan.steps.len(),
            });
            reports.push(report);
        }
        Ok(false)
    }

    /// Applies one step; nothing if the rules changed before its statement was sent.
    async fn apply_step(
        &self,
        part: &Part<'_>,
        target: Result<&CheckedTarget, String>,
        damaged: &mut Damaged,
    ) -> Result<Option<StepReport>, EngineError> {
        let Part {
            plan,
            cycle,
            shard,
            step,
        } = *part;
        (self.observer)(&Event::StepStarted {
            step,
            of: plan.steps.len(),
        });
        let mut arms: Vec<Arm> = step.arms.clone();
        arms.retain(|arm| !damaged.contains(&arm.workspace));
        let n_due = arms.iter().map(|arm| arm.n_due).sum();
        let n_left_out = step.arms.len() - arms.len();
        let ready = match target {
            Ok(_) if arms.is_empty() => {
                Err("the children of its workspaces could not be deleted in this cycle".into())
            }
            Ok(target) => {
                self.pacer.ready(n_due).await;
                // Waiting may have taken a while: only now is it known what else is under way.
                obstacle(shard, step).await.map_or(Ok(target), Err)
            }
            Err(reason) => Err(reason),
        };
        let target = match ready {
            Ok(target) => target,
            Err(reason) => {
                damaged.extend(arms.into_iter().map(|arm| arm.workspace));
                return Ok(Some(StepReport::skipped(step, reason)));
            }
        };
        let identity = format!("{cycle}-{}", step.number);
        let marker = marker(&step.table, &identity);
        let statement = compile::compile(target, &arms, &marker);
        let mut report = StepReport {
            number: step.number,
            shard: Arc::clone(&step.shard),
            table: Arc::clone(&step.table),
            shape: Some(statement.shape),
            query_id: Some(format!("ebbtide-{identity}")),
            n_arms: arms.len(),
            n_left_out,
            n_due,
            outcome: StepOutcomeKind::Skipped {
                reason: String::new(),
            },
            duration: Duration::ZERO,
        };
        // The last look at the rules and the record of the intent are one statement.
        let intent = self.intent(part, &report, &statement);
        if self.ledger.intend_step(&intent).await? != Intended::Recorded {
            return Ok(None);
        }
        let started = Instant::now();
        let execution = shard
            .execute(&Request {
                sql: &statement.sql,
                query_id: report.query_id.as_deref().unwrap_or_default(),
                log_comment: &marker,
                marker: &marker,
                settings: &statement.settings,
            })
            .await;
        report.outcome = self.settle(shard, target, &mut arms, execution).await;
        report.duration = started.elapsed();
        if !report.is_verified() {
            // After a count, the arms say which workspaces have rows left.
            let counted = matches!(
                report.outcome,
                StepOutcomeKind::Applied(Verdict::Incomplete { .. })
            );
            let left = arms.into_iter().filter(|arm| !counted || arm.n_due > 0);
            damaged.extend(left.map(|arm| arm.workspace));
        }
        self.ledger
            .finish_step(&self.outcome(part, &report))
            .await?;
        Ok(Some(report))
    }

    /// What an execution means. Where the server says done, or cannot say, the rows left are
    /// counted: nothing else proves a delete.
    async fn settle(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        execution: Execution,
    ) -> StepOutcomeKind {
        let failed = |what: &str, error: &WarehouseError| StepOutcomeKind::Failed {
            error: format!("{what}{}", error_chain(error)),
        };
        match execution {
            Execution::Done | Execution::Vanished { .. } => {
                let left = self.count(shard, target, arms).await;
                if let Err(error) = &left {
                    tracing::warn!(table = target.table, %error, "cannot count what is left");
                }
                StepOutcomeKind::Applied(judge(left.ok()))
            }
            Execution::Failed { error, .. } => failed("", &error),
            Execution::NotStarted { error } => failed("not started: ", &error),
            Execution::Running { error, .. } => failed("still running: ", &error),
            Execution::Unknown { error, .. } => failed("outcome unknown: ", &error),
        }
    }

    fn intent(&self, part: &Part<'_>, report: &StepReport, statement: &Statement) -> StepIntent {
        let Part { cycle, step, .. } = *part;
        let digest = Sha256::digest(&statement.sql);
        StepIntent {
            cycle: cycle.into(),
            step: step.number,
            shard: step.shard.to_string(),
            table: step.table.to_string(),
            method: step.method.as_str().into(),
            shape: statement.shape.as_str().into(),
            query_id: report.query_id.clone().unwrap_or_default(),
            statement_digest: format!("{digest:x}"),
            n_workspaces: u64::try_from(report.n_arms).unwrap_or(u64::MAX),
            rows_due: report.n_due,
            predicate: String::new(),
            bounds: String::new(),
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
            StepOutcomeKind::Failed { error: reason } | StepOutcomeKind::Skipped { reason } => {
                ("failed", None, Some(reason.clone()))
            }
        };
        StepOutcome {
            cycle: part.cycle.into(),
            step: part.step.number,
            verdict: verdict.into(),
            rows_left,
            error,
            duration_ms: 0,
            finished_at: self.clock.now(),
        }
    }
}

/// One step of a plan on its shard, in its cycle.
#[derive(Clone, Copy)]
struct Part<'a> {
    plan: &'a Plan,
    cycle: &'a str,
    shard: &'a Shard,
    step: &'a Step,
}

/// Why a step cannot be sent now, if so.
async fn obstacle(shard: &Shard, step: &Step) -> Option<String> {
    match shard.unfinished_mutations(&step.table).await {
        Ok(earlier) if earlier.is_empty() => None,
        Ok(earlier) => Some(still_running(&earlier)),
        Err(error) => Some(error_chain(&error)),
    }
}
