//! What a cycle did, and what is heard of it while it runs.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::compile::Shape;
use crate::plan::{Step, Unprobed};
use crate::verify::Verdict;

/// What a cycle did.
#[derive(Debug, Clone, Serialize)]
pub struct CycleReport {
    /// The cycle's id; with a plan made anew, that of the last part.
    pub cycle: String,
    /// How it ended.
    pub status: CycleStatus,
    /// The steps in order.
    pub steps: Vec<StepReport>,
    /// What could not be probed and was left alone.
    pub unprobed: Vec<Unprobed>,
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleStatus {
    /// Every step is verified, or nothing was due.
    Done,
    /// Some step is not verified, or something could not be probed.
    Failed,
    /// Rules changed; the steps that were left were not sent.
    Stale,
}

impl CycleStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// Its number in the plan.
    pub number: u32,
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The shape of its predicate, if it was sent.
    pub shape: Option<Shape>,
    /// The query id of its statement, if it was sent.
    pub query_id: Option<String>,
    /// Policies in the statement.
    pub n_arms: usize,
    /// Policies of the plan that were left out, because children of their workspaces may be left.
    pub n_left_out: usize,
    /// Rows that were to go.
    pub n_due: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StepOutcomeKind,
    /// From sending the statement to the count after it.
    #[serde(rename = "duration_ms", serialize_with = "as_ms")]
    pub duration: Duration,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcomeKind {
    /// The statement was sent, and what is left was counted.
    Applied(Verdict),
    /// The statement was not carried out, or nobody knows.
    Failed {
        /// Why.
        error: String,
    },
    /// The statement was not sent.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl StepReport {
    pub(super) fn skipped(step: &Step, reason: String) -> Self {
        Self {
            number: step.number,
            shard: Arc::clone(&step.shard),
            table: Arc::clone(&step.table),
            shape: None,
            query_id: None,
            n_arms: 0,
            n_left_out: step.arms.len(),
            n_due: step.n_due,
            outcome: StepOutcomeKind::Skipped { reason },
            duration: Duration::ZERO,
        }
    }

    /// Whether it is proven that nothing expired is left.
    pub fn is_verified(&self) -> bool {
        self.outcome == StepOutcomeKind::Applied(Verdict::Verified)
    }

    /// Rows that went, as far as it was counted.
    pub fn n_deleted(&self) -> u64 {
        match self.outcome {
            StepOutcomeKind::Applied(Verdict::Verified) => self.n_due,
            StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) => {
                self.n_due.saturating_sub(n_left)
            }
            _ => 0,
        }
    }
}

impl CycleReport {
    /// Rows that went.
    pub fn n_deleted(&self) -> u64 {
        self.steps.iter().map(StepReport::n_deleted).sum()
    }

    /// Statements that were sent.
    pub fn n_statements(&self) -> usize {
        let skipped = |step: &&StepReport| matches!(step.outcome, StepOutcomeKind::Skipped { .. });
        self.steps.len() - self.steps.iter().filter(skipped).count()
    }

    /// This report and that of the plan that followed it.
    pub(super) fn followed_by(self, next: Self) -> Self {
        let mut steps = self.steps;
        steps.extend(next.steps);
        let failed = |step: &StepReport| matches!(step.outcome, StepOutcomeKind::Failed { .. });
        let status = if next.status == CycleStatus::Done && steps.iter().any(failed) {
            CycleStatus::Failed
        } else {
            next.status
        };
        Self {
            status,
            steps,
            ..next
        }
    }
}

/// What is heard of a cycle while it runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A table is being probed.
    Probing {
        /// The shard.
        shard: &'a str,
        /// The table.
        table: &'a str,
        /// Its place among the targets, from 1.
        number: usize,
        /// The number of targets.
        of: usize,
    },
    /// A statement is about to be sent, perhaps after waiting for its turn.
    StepStarted {
        /// The step.
        step: &'a Step,
        /// The number of steps of the plan.
        of: usize,
    },
    /// A step ended.
    StepFinished {
        /// How.
        report: &'a StepReport,
        /// The number of steps of the plan.
        of: usize,
    },
    /// Rules changed; the rest is planned again.
    Replanning,
}

fn as_ms<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
