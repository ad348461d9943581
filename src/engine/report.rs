//! What a cycle did.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::compile::Shape;
use crate::pace::Signal;
use crate::plan::{Arm, Method, Step, Unprobed};
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
    /// Whether steps were left since earlier ones were too much for ClickHouse: another plan has smaller
    /// ones.
    #[serde(skip)]
    pub is_shrunk: bool,
    /// Rows that went by earlier plans; those of the last one come on top.
    #[serde(skip)]
    pub n_before: u64,
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleStatus {
    /// Every step is verified, or nothing was due.
    Done,
    /// Every step of a slot is verified, and rows that are paused were left out of it.
    Partial,
    /// Every step that it sent is verified, and more is due: its budget is used up, its steps were too
    /// much for ClickHouse and are made smaller, or more is due than could be counted at once.
    Deferred,
    /// Some step is not verified, or something could not be probed.
    Failed,
    /// Rules, directory, holds or pauses changed; what they do not allow any more was not sent.
    Stale,
    /// It was told to stop; the steps that were left were not sent.
    Stopped,
    /// The lease was lost; the steps that were left were not sent.
    LeaseLost,
}

impl CycleStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Stopped => "stopped",
            Self::LeaseLost => "lease_lost",
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
    /// How it deletes.
    pub method: Method,
    /// The shape of its predicate, if it was sent.
    pub shape: Option<Shape>,
    /// The query id of its statement, if it was sent.
    pub query_id: Option<String>,
    /// Policies in the statement.
    pub n_arms: usize,
    /// Policies of the plan that were left out, because children of their workspaces may be left or
    /// because the ledger moved on.
    pub n_left_out: usize,
    /// Rows that were to go.
    pub n_due: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StepOutcomeKind,
    /// Whether a statement of ours still runs: this one, or an earlier one that it waits for.
    #[serde(skip)]
    pub is_running: bool,
    /// What ClickHouse was too busy with, if that is why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Signal>,
    /// Seconds from the oldest expired row that is left to its cutoff, as far as is known.
    pub lag_s: u32,
    /// How long the statement took.
    #[serde(rename = "statement_ms", serialize_with = "as_ms")]
    pub statement: Duration,
    /// How long the count after it took.
    #[serde(rename = "probe_ms", serialize_with = "as_ms")]
    pub probe: Duration,
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
        /// The same without what the server said, which may quote rows: for the ledger.
        #[serde(skip)]
        recorded: String,
        /// Expired rows that are left; nothing if nobody knows.
        #[serde(skip)]
        n_left: Option<u64>,
    },
    /// The statement was not sent.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl StepOutcomeKind {
    /// Whether what is left was counted.
    pub(super) fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::Applied(Verdict::Verified | Verdict::Incomplete { .. })
        )
    }
}

impl StepReport {
    pub(super) fn skipped(step: &Step, reason: String) -> Self {
        Self {
            number: step.number,
            shard: Arc::clone(&step.shard),
            table: Arc::clone(&step.table),
            method: step.method,
            shape: None,
            query_id: None,
            n_arms: 0,
            n_left_out: step.arms.len(),
            n_due: step.n_due,
            outcome: StepOutcomeKind::Skipped { reason },
            is_running: false,
            held_by: None,
            lag_s: lag_s(&step.arms),
            statement: Duration::ZERO,
            probe: Duration::ZERO,
            duration: Duration::ZERO,
        }
    }

    /// Expired rows that are left; nothing if nobody knows.
    pub fn n_left(&self) -> Option<u64> {
        match self.outcome {
            StepOutcomeKind::Applied(Verdict::Verified) => Some(0),
            StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) => Some(n_left),
            StepOutcomeKind::Skipped { .. } => Some(self.n_due),
            StepOutcomeKind::Failed { n_left, .. } => n_left,
            StepOutcomeKind::Applied(Verdict::Unknown) => None,
        }
    }

    /// Whether it is proven that nothing expired is left.
    pub fn is_verified(&self) -> bool {
        self.outcome == StepOutcomeKind::Applied(Verdict::Verified)
    }

    /// What became of it, in a few words.
    pub fn why(&self) -> String {
        match &self.outcome {
            StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) => {
                format!("{n_left} expired rows are left")
            }
            StepOutcomeKind::Applied(verdict) => verdict.as_str().into(),
            StepOutcomeKind::Failed { error: why, .. }
            | StepOutcomeKind::Skipped { reason: why } => why.clone(),
        }
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
        let n_before = self.n_deleted();
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
            n_before,
            ..next
        }
    }
}

/// The largest lag of some arms.
pub(super) fn lag_s(arms: &[Arm]) -> u32 {
    arms.iter().map(|arm| arm.lag_s).max().unwrap_or(0)
}

pub(super) fn as_ms<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
