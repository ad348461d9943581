//! What is heard of a cycle while it runs: for progress, logs and metrics.

use std::time::Duration;

use super::{CycleReport, ReclaimReport, StepReport};
use crate::ledger::QuarantineRecord;
use crate::pace::Wait;
use crate::plan::{Plan, Reclaim, Step, TableInventory};

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
        /// Why: `pace`, the signal of ClickHouse's load that it waited for, or `ledger` where changes
        /// of the ledger came before it again and again.
        reason: &'static str,
        /// How long.
        length: Duration,
    },
    /// ClickHouse is too busy for a table, or, without a reason, no more.
    HeldBack {
        /// The shard.
        shard: &'a str,
        /// The table.
        table: &'a str,
        /// Why.
        wait: Option<&'a Wait>,
    },
    /// It was looked whether mutations of ours on a table are stalled.
    Stalled {
        /// The shard.
        shard: &'a str,
        /// The table.
        table: &'a str,
        /// Why each that is; none if none is.
        mutations: &'a [String],
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
    /// It was looked what is in quarantine.
    Quarantined {
        /// The partitions that are not over.
        records: &'a [QuarantineRecord],
    },
    /// A partition is about to be rewritten.
    Reclaiming {
        /// Which, and why.
        reclaim: &'a Reclaim,
    },
    /// The rewrite of a partition ended, or was left.
    Reclaimed {
        /// How.
        report: &'a ReclaimReport,
    },
    /// Rules changed, or steps became too large; the rest is planned again.
    Replanning,
}
