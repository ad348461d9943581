//! What a statement did: what is left is counted, and whoever was refused for good says so.

use super::Part;
use crate::compile::Within;
use crate::engine::Engine;
use crate::engine::report::StepOutcomeKind;
use crate::engine::survey::error_chain;
use crate::ledger::StepOutcome;
use crate::plan::{Arm, Method};
use crate::target::CheckedTarget;
use crate::verify::judge;
use crate::warehouse::{Execution, WarehouseError};

impl Engine {
    /// What an execution means. Where the server says done, failed, or cannot say, the rows left
    /// are counted: nothing else proves a delete, or that there was none. What did not delete must
    /// not count against the share of the day.
    pub(super) async fn settle(
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
                // Partitions that cannot go as a whole are masked next time.
                let is_refused = part.step.method == Method::Partition && error.lasts();
                let what = if is_refused { StepOutcome::REFUSED } else { "" };
                failed(what, &error, left)
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
