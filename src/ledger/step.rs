//! Steps as the ledger records them: the intent before the effect, the outcome after it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::plan::StepCost;

/// The ledger, as far as it is about the steps of cycles.
#[async_trait]
pub trait StepLedger: Send + Sync {
    /// Records that a step is about to be sent, unless the revision has moved on since the cycle
    /// was planned or renewed, or its lease is lost. Look and record are one transaction.
    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError>;
    /// Records how a step ended: once, but an `unknown` outcome may be settled later.
    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError>;
    /// The steps of a cycle in order.
    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError>;
    /// Steps intended at or after an instant that have no outcome, of cycles under leases before this
    /// token: their process died, or was frozen for too long.
    async fn unsettled_steps(
        &self,
        token: u64,
        since: Timestamp,
    ) -> Result<Vec<StepRecord>, LedgerError>;
    /// Steps intended at or after an instant that the server refused, and would refuse again, the
    /// latest first: their error begins with [`StepOutcome::REFUSED`].
    async fn refused_steps(&self, since: Timestamp) -> Result<Vec<StepRecord>, LedgerError>;
    /// Rows deleted by steps that were intended at or after an instant. Where the rows left were not
    /// counted, all that were due count as deleted, whatever the verdict.
    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError>;
    /// What the newest verified steps since an instant cost, the newest first: at most a
    /// hundred of each way to delete on each table of each shard.
    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError>;
}

/// So many steps of each way to delete on a table say what it costs. One that is used rarely is not
/// forgotten for those that are used all day.
pub(super) const COSTS_OF_EACH: u32 = 100;

/// A step that is about to be sent. Content-free: counts and names of tables, no row data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepIntent {
    /// The cycle.
    pub cycle: String,
    /// The number of the step in the cycle, from 1.
    pub step: u32,
    /// The shard's URL without credentials.
    pub shard: String,
    /// The table.
    pub table: String,
    /// How it deletes, such as `lightweight`.
    pub method: String,
    /// The shape of the predicate, such as `in`.
    pub shape: String,
    /// The query id of the statement.
    pub query_id: String,
    /// SHA-256 of the statement, in hexadecimal.
    pub statement_digest: String,
    /// Workspaces in the statement.
    pub n_workspaces: u64,
    /// Rows that the plan expects to go: those that match the predicate before it.
    pub rows_due: u64,
    /// Parts that the statement is registered against; 0 where nobody counted.
    pub n_parts: u64,
    /// The predicate: the text of the statement after WHERE. Names and bounds, no row data.
    pub predicate: String,
    /// Rules and cutoffs as JSON: `[{"rule": 3, "retention": "7d", "cutoff": "2026-11-14T00:00:00Z",
    /// "from": null, "n_policies": 12, "n_due": 3400}]`; with `partitions` where they go as a whole.
    pub bounds: String,
    /// When.
    pub intended_at: Timestamp,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    /// The cycle.
    pub cycle: String,
    /// The number of the step.
    pub step: u32,
    /// `verified`, `incomplete`, `failed` or `unknown`.
    pub verdict: String,
    /// Rows still there under the same predicate, if they could be counted.
    pub rows_left: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long the statement took, without the count after it, in milliseconds.
    pub duration_ms: u64,
    /// When.
    pub finished_at: Timestamp,
}

impl StepOutcome {
    /// How the error begins of a step that the server refused, and would refuse again.
    pub const REFUSED: &'static str = "refused: ";
}

/// What became of an intent, or of the renewal of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intended {
    /// It is recorded; the statement may be sent, the cycle go on.
    Recorded,
    /// Rules, directory, holds or pauses have changed since the cycle was planned or renewed.
    Stale,
    /// The cycle's lease has ended or is somebody else's.
    LeaseLost,
}

/// Rows deleted from one table of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRows {
    /// The shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// The rows; where an outcome is unknown, all that were due.
    pub n_rows: u64,
}

/// A step as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Written before the effect.
    pub intent: StepIntent,
    /// Written after it; missing if the process died in between.
    pub outcome: Option<StepOutcome>,
}
