//! Applying one step: pace, intent, effect, proof.

mod announce;
mod record;
mod send;
mod settle;

use super::apply::{Course, Cycle};
use super::survey::{error_chain, still_running};
use super::turn::Place;
use super::{CycleStatus, Engine, EngineError, Event, StepReport};
use crate::plan::{Arm, Method, Step};
use crate::target::CheckedTarget;
use crate::warehouse::Shard;

use announce::n_due;

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
                let counted = self.parts_to_drop(shard, target, step).await;
                counted.map_err(|reason| obstacle(reason, false))
            }
            None => Ok(Vec::new()),
        }
    }
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
