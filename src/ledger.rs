//! What the engine asks of the metadata database: rules, the directory of workspaces, and the
//! record of cycles and steps. Two implementations keep the same contract: SQLite and MySQL.
//!
//! Invariant: every change is one transaction; a change of rules or directory raises the revision
//! in the same transaction. The database itself guarantees that a scope has one active rule.

mod connect;
mod directory;
mod error;
mod import;
mod migrations;
mod mysql;
mod row;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::rule::{RuleEntry, RuleId, Scope};

pub use connect::connect_ledger;
pub use directory::{DirectoryError, read_directory};
pub use error::LedgerError;

/// A rule to be created; checked by the caller against the config's periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it applies to.
    pub scope: Scope,
    /// `unlimited`, the name of a period, or a custom `7d`, as a person wrote it.
    pub retention: String,
    /// Whether rows from before its creation follow it too.
    pub apply_to_past: bool,
    /// When it was created; bounds what it deletes if it does not apply to the past. Kept to the
    /// microsecond. The rule it replaces is deactivated at this instant.
    pub created_at: Timestamp,
}

/// A rule to be imported; checked by the caller against the config's periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRule {
    /// What it applies to.
    pub scope: Scope,
    /// `unlimited`, the name of a period, or a custom `7d`, as a person wrote it.
    pub retention: String,
    /// Whether rows from before its creation follow it too.
    pub apply_to_past: bool,
    /// When it was created, if the file says so; otherwise a new rule is created now, and an
    /// active one that is alike keeps its own instant.
    pub created_at: Option<Timestamp>,
}

impl From<RuleEntry> for ImportRule {
    fn from(entry: RuleEntry) -> Self {
        Self {
            scope: entry.scope,
            retention: entry.retention.to_string(),
            apply_to_past: entry.apply_to_past,
            created_at: entry.created_at,
        }
    }
}

/// A rule as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRecord {
    /// Its number.
    pub id: RuleId,
    /// What a person set.
    pub rule: NewRule,
    /// Who created it.
    pub created_by: String,
    /// When and by whom it was deactivated, if it was.
    pub deactivated: Option<(Timestamp, String)>,
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CreatedRule {
    /// The new rule.
    pub id: RuleId,
    /// The rule of the same scope that it replaced.
    pub replaced: Option<RuleId>,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ImportedRules {
    /// Rules created.
    pub n_created: u64,
    /// Of these, rules that replaced an active one of the same scope.
    pub n_replaced: u64,
    /// Rules of the file that were active already, exactly alike; they were left alone.
    pub n_unchanged: u64,
}

/// What became of a deactivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deactivation {
    /// The rule was active and no longer is.
    Done,
    /// It was inactive already.
    AlreadyInactive,
    /// There is no such rule.
    NotFound,
}

/// A cycle that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleStart {
    /// A UUIDv7.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The instant that its cutoffs are made from.
    pub as_of: Timestamp,
    /// [`crate::RuleSet::digest`] of the rules it was planned from.
    pub rules_digest: String,
    /// The revision of the ledger it was planned from.
    pub revision: u64,
}

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
    /// Rows that the plan expects to go.
    pub rows_due: u64,
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
    /// When.
    pub finished_at: Timestamp,
}

/// A step as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Written before the effect.
    pub intent: StepIntent,
    /// Written after it; missing if the process died in between.
    pub outcome: Option<StepOutcome>,
}

/// A cycle as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRecord {
    /// Written when it began.
    pub start: CycleStart,
    /// When it ended and how: `done`, `failed`, `refused`, `stale`; missing if the process died.
    pub end: Option<(Timestamp, String)>,
}

/// The metadata database.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Brings the schema up to date; returns the names of the migrations that were applied.
    async fn migrate(&self) -> Result<Vec<String>, LedgerError>;
    /// Fails with [`LedgerError::NotMigrated`] or [`LedgerError::TooNew`] unless the schema is
    /// exactly the one this version knows.
    async fn check_schema(&self) -> Result<(), LedgerError>;
    /// A number that grows with every change of rules or directory.
    async fn revision(&self) -> Result<u64, LedgerError>;

    /// Creates a rule and replaces the active one of its scope, if any, in one transaction.
    async fn create_rule(&self, rule: &NewRule, by: &str) -> Result<CreatedRule, LedgerError>;
    /// Creates many rules in one transaction: all of them, or none if the iterator yields an
    /// error (its text is returned in [`LedgerError::Aborted`]). A rule replaces the active one of
    /// its scope, which is deactivated at `now`; but an active one with the same retention, the same
    /// `apply_to_past` and no other stated creation is left alone, so that importing a file twice
    /// changes nothing and moves no `min_id`.
    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError>;
    /// Deactivates a rule; the row stays.
    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Streams rules ordered by id: the active ones, or the whole history.
    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError>;

    /// Adds or moves workspaces, pairs of workspace and organization, all in one transaction or,
    /// if the iterator yields an error, none; returns how many were added or moved.
    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
    ) -> Result<u64, LedgerError>;
    /// Streams the directory as pairs of workspace and organization.
    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError>;

    /// Records that a cycle begins.
    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError>;
    /// Records that a step is about to be sent, unless rules or directory have changed since the
    /// cycle was planned; returns whether it was recorded. Look and record are one statement.
    async fn intend_step(&self, intent: &StepIntent) -> Result<bool, LedgerError>;
    /// Records how a step ended: once, but an `unknown` outcome may be settled later.
    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError>;
    /// Records how a cycle ended: `done`, `failed`, `refused` or `stale`.
    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError>;
    /// The latest cycles, newest first.
    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError>;
    /// The steps of a cycle in order.
    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError>;
}
