//! What is heard of a cycle while it runs: for progress, logs and metrics.

use std::time::Duration;

use super::{CycleReport, StepReport};
use crate::plan::{Plan, Step, TableInventory};

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
    /// A table was probed.
    Surveyed {
        /// What was found.
        inventory: &'a TableInventory,
    },
    /// A plan was made.
    Planned {
        /// The plan.
        plan: &'a Plan,
    },
    /// A cycle begins.
    CycleStarted {
        /// Its id.
        cycle: &'a str,
        /// What it executes.
        plan: &'a Plan,
    },
    /// A statement is about to be sent, perhaps after waiting for its turn.
    StepStarted {
        /// The step.
        step: &'a Step,
        /// The number of steps of the plan.
        of: usize,
    },
    /// A statement waited for its turn.
    Throttled {
        /// Why: `pace`, or `ledger` where changes of the ledger came before it again and again.
        reason: &'static str,
        /// How long.
        length: Duration,
    },
    /// A step ended.
    StepFinished {
        /// How.
        report: &'a StepReport,
        /// The number of steps of the plan.
        of: usize,
    },
    /// A cycle ended.
    CycleEnded {
        /// How.
        report: &'a CycleReport,
    },
    /// Rules changed; the rest is planned again.
    Replanning,
}
