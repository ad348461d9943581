//! What is asked of the engine: which plan, and what a cycle is for.

use std::sync::Arc;

use jiff::Timestamp;

use crate::plan::{Backfill, Basis};
use crate::slot::SlotRange;

/// Which plan to make. By default: now, what may be executed, for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanRequest {
    /// Stands for now.
    pub as_of: Option<Timestamp>,
    /// Which rules it follows.
    pub basis: Basis,
    /// The workspaces that it is for.
    pub slot: Option<SlotRange>,
    /// Whether tables are counted whole, once a UTC day at most: their workspaces, rows without an
    /// age and rows of the future, which no delete depends on. Otherwise only what may be expired
    /// is read.
    pub with_totals: bool,
    /// What somebody asks for instead, whatever the rules say.
    pub backfill: Option<Arc<Backfill>>,
}

impl PlanRequest {
    /// A plan for review: what the rules of now would delete, were they approved.
    pub fn proposed() -> Self {
        Self {
            basis: Basis::Proposed,
            with_totals: true,
            ..Self::default()
        }
    }

    /// A plan of what somebody asks for, with the cutoffs of an instant.
    pub fn of_backfill(backfill: Backfill, as_of: Timestamp) -> Self {
        Self {
            as_of: Some(as_of),
            backfill: Some(Arc::new(backfill)),
            ..Self::default()
        }
    }

    /// A plan for a share of the workspaces.
    pub fn of_slot(slot: SlotRange) -> Self {
        Self {
            slot: Some(slot),
            ..Self::default()
        }
    }
}

/// What begins a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CycleKind {
    /// A slot of the day is due.
    Slot,
    /// A person asks for a full cycle.
    Run,
    /// A plan that was reviewed is applied.
    Apply,
    /// A person asks for a scope, whatever the rules say.
    Backfill,
    /// The disk of deleted rows is freed; nothing is deleted.
    Reclaim,
}

impl CycleKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slot => "slot",
            Self::Run => "run",
            Self::Apply => "apply",
            Self::Backfill => "backfill",
            Self::Reclaim => "reclaim",
        }
    }
}
