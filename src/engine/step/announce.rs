//! The intent of a step: its statement is compiled, and recorded before anything is sent.

use super::Part;
use crate::compile::{Statement, compile_step, drop_parts};
use crate::engine::apply::Course;
use crate::engine::renew::Patience;
use crate::engine::{CycleStatus, Engine, EngineError, StepReport};
use crate::ledger::Intended;
use crate::plan::{Arm, Method, Step};
use crate::target::CheckedTarget;
use crate::warehouse::marker;

/// A step whose intent is recorded.
pub(super) struct Announced {
    pub(super) arms: Vec<Arm>,
    pub(super) statement: Statement,
    pub(super) marker: String,
    pub(super) report: StepReport,
}

impl Engine {
    /// Records the intent of a step. Where the ledger moved on, the cycle does too, and the step goes
    /// on with what is still due of it; nothing where that is nothing.
    pub(super) async fn announce(
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
            // What was seen of whole partitions is as old as the wait was long.
            if step.method == Method::Partition {
                parts = match self.parts_to_drop(shard, target, step).await {
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
}

/// Rows that a step takes with these arms; whole partitions have none.
pub(super) fn n_due(step: &Step, arms: &[Arm]) -> u64 {
    if step.method == Method::Partition {
        return step.n_due;
    }
    arms.iter().map(|arm| arm.n_due).sum()
}
