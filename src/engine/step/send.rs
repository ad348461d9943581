//! Sending a statement whose intent is recorded.

use std::time::Instant;

use super::Part;
use super::announce::Announced;
use crate::engine::apply::Course;
use crate::engine::report::{StepOutcomeKind, lag_s};
use crate::engine::survey::error_chain;
use crate::engine::{CycleStatus, Engine, EngineError, StepReport};
use crate::ledger::StepOutcome;
use crate::plan::Method;
use crate::target::{CheckedTarget, QuarantineTable};
use crate::warehouse::{Execution, Request, WarehouseError};

impl Engine {
    /// Sends a statement whose intent is recorded, proves what it did, and records that.
    pub(super) async fn send(
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

    /// Records that there is no table to move partitions to: nothing left its own. Where that lasts they
    /// are masked next time.
    async fn not_opened(
        &self,
        part: &Part<'_>,
        mut report: StepReport,
        error: &WarehouseError,
        course: &mut Course,
    ) -> Result<Result<StepReport, CycleStatus>, EngineError> {
        let refused = if error.lasts() {
            StepOutcome::REFUSED
        } else {
            ""
        };
        let what = format!("{refused}no table for the quarantine: ");
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
}
