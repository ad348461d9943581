//! The demo as one JSON document.

use std::path::PathBuf;

use serde::Serialize;

use super::checks::{Check, TableChange};
use super::database::{TableSize, Tally};
use crate::cli::plan::StatementView;
use crate::engine::CycleReport;
use crate::ledger::RuleRecord;
use crate::plan::Plan;

/// What each chapter found.
#[derive(Serialize)]
pub(super) struct DemoReport {
    pub(super) ok: bool,
    pub(super) seconds: f64,
    /// Where everything is, if it was kept.
    pub(super) directory: Option<PathBuf>,
    pub(super) clickhouse: Server,
    pub(super) sample: Vec<TableSize>,
    pub(super) rules: Vec<RuleLine>,
    pub(super) plan: Plan,
    pub(super) statement: Option<StatementView>,
    pub(super) cycle: CycleReport,
    pub(super) checks: Vec<Check>,
    pub(super) tally_before: Vec<Tally>,
    pub(super) tally_after: Vec<Tally>,
    pub(super) tables: Vec<TableChange>,
    pub(super) second_cycle: SecondCycle,
}

/// The server of the demo.
#[derive(Serialize)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) url: String,
}

/// A rule of the demo.
#[derive(Serialize)]
pub(super) struct RuleLine {
    rule: u64,
    scope: String,
    retention: String,
    apply_to_past: bool,
}

impl From<&RuleRecord> for RuleLine {
    fn from(record: &RuleRecord) -> Self {
        Self {
            rule: record.id,
            scope: record.rule.scope.to_string(),
            retention: record.rule.retention.clone(),
            apply_to_past: record.rule.apply_to_past,
        }
    }
}

/// What the second cycle sent, by its own account and by the server's.
#[derive(Serialize)]
pub(super) struct SecondCycle {
    #[serde(rename = "n_statements")]
    pub(super) statements: usize,
    #[serde(rename = "n_mutations_before")]
    pub(super) mutations_before: u64,
    #[serde(rename = "n_mutations_after")]
    pub(super) mutations_after: u64,
}

impl SecondCycle {
    pub(super) fn check(&self) -> Check {
        // Without any mutation before it the comparison would prove nothing.
        let is_quiet = self.mutations_before > 0 && self.mutations_before == self.mutations_after;
        Check {
            ok: self.statements == 0 && is_quiet,
            what: "the second cycle sent no statement".into(),
        }
    }
}
