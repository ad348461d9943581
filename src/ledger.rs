//! What the engine asks of the metadata database: rules, the directory of workspaces, and the
//! record of cycles and steps. Two implementations keep the same contract: SQLite and MySQL.
//!
//! Invariant: every change is one transaction; a change of rules or directory raises the revision
//! in the same transaction. The database itself guarantees that a scope has one active rule.

mod approval;
mod author;
mod connect;
mod directory;
mod error;
mod guard;
mod import;
mod lease;
mod migrations;
mod mysql;
mod row;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::audit::Entry;
use crate::guard::PauseScope;
use crate::rule::{RuleEntry, RuleId, Scope};
use crate::slot::SlotRange;

pub use approval::{Approval, NewApproval, NewPlan, PlanApproval, PlanRecord, PlanStatus};
pub use author::{Author, Created, RequestKey};
pub use connect::connect_ledger;
pub use directory::{DirectoryError, read_directory};
pub use error::LedgerError;
pub use guard::{HoldRecord, NewHold, NewPause, PauseRecord};
pub use lease::{CYCLE_LEASE, Lease, LeaseAttempt};

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
    /// Whether the same request created it before; nothing was changed now.
    pub is_repeated: bool,
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
    /// What began it: `slot`, `run`, `apply` or `backfill`.
    pub kind: String,
    /// The digest of its plan.
    pub plan_digest: String,
    /// The slot that it is for, if it is for one: the UTC day and the places.
    pub slot: Option<(String, SlotRange)>,
    /// The instance or person that runs it.
    pub holder: String,
    /// The token of the [`CYCLE_LEASE`] it runs under.
    pub lease_token: u64,
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
    /// Rows that the plan expects to go: those that match the predicate before it.
    pub rows_due: u64,
    /// The predicate: the text of the statement after WHERE. Names and bounds, no row data.
    pub predicate: String,
    /// Rules and cutoffs as JSON: `[{"rule": 3, "retention": "7d", "cutoff": "2026-11-14T00:00:00Z",
    /// "from": null, "n_policies": 12, "n_due": 3400}]`.
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
    /// From sending the statement to the count after it, in milliseconds.
    pub duration_ms: u64,
    /// When.
    pub finished_at: Timestamp,
}

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intended {
    /// It is recorded; the statement may be sent.
    Recorded,
    /// Rules, directory, holds or pauses have changed since the cycle was planned.
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

/// What was removed from the record because it was old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PrunedRecord {
    /// Cycles, with their steps.
    pub n_cycles: u64,
    /// Entries of the hash chain.
    pub n_entries: u64,
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

    /// The time, by the clock of the database.
    async fn now(&self) -> Result<Timestamp, LedgerError> {
        unimplemented!()
    }
    /// The revision that held at an instant of the database's clock; nothing before the first.
    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError> {
        unimplemented!()
    }

    /// Creates a rule and replaces the active one of its scope, if any, in one transaction.
    async fn create_rule(&self, rule: &NewRule, by: Author<'_>)
    -> Result<CreatedRule, LedgerError>;
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

    /// Streams the rules that were active at a revision, ordered by id.
    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        unimplemented!()
    }
    /// Up to `limit` rules after an id, in order: the active ones, or the whole history.
    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError> {
        unimplemented!()
    }
    /// One rule, active or not.
    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError> {
        unimplemented!()
    }

    /// Records the settings that give rules their meaning (default and named periods, as
    /// canonical JSON), if they differ from those recorded last; that raises the revision.
    async fn note_settings(
        &self,
        body: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        unimplemented!()
    }
    /// The settings that held at a revision.
    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError> {
        unimplemented!()
    }

    /// Places a hold; raises the revision.
    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError> {
        unimplemented!()
    }
    /// Releases a hold; the row stays. Raises the revision.
    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        unimplemented!()
    }
    /// Holds ordered by id: those in force, or the whole history.
    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError> {
        unimplemented!()
    }

    /// Begins a pause; raises the revision, unless its scope is paused already.
    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError> {
        unimplemented!()
    }
    /// Ends the pause of a scope; raises the revision. Returns whether there was one.
    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        unimplemented!()
    }
    /// Pauses ordered by id: those in force, or the whole history.
    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError> {
        unimplemented!()
    }

    /// Asks for a lease: granted if it is free, has ended, or is ours already (`holder`), with a
    /// new token. Look and grant are one transaction, by the database's clock.
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError> {
        unimplemented!()
    }
    /// Renews a lease, with the same token; nothing if it has ended or is somebody else's.
    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError> {
        unimplemented!()
    }
    /// Gives a lease back, if it still is ours.
    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        unimplemented!()
    }
    /// All leases that have not ended.
    async fn leases(&self) -> Result<Vec<Lease>, LedgerError> {
        unimplemented!()
    }

    /// Records an approval in the transaction that looks at the revision. Does not raise it.
    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError> {
        unimplemented!()
    }
    /// The latest revision that was approved.
    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError> {
        unimplemented!()
    }
    /// Keeps a plan for review, as `pending`. Does not raise the revision.
    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError> {
        unimplemented!()
    }
    /// Kept plans before an id (or from the latest), newest first.
    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError> {
        unimplemented!()
    }
    /// A kept plan and its body.
    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError> {
        unimplemented!()
    }
    /// Approves a kept plan: as [`Ledger::approve`], and marks it.
    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError> {
        unimplemented!()
    }
    /// Says where a kept plan stands.
    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError> {
        unimplemented!()
    }

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
    /// Records that a step is about to be sent, unless the revision has moved on since the cycle
    /// was planned, or its lease is lost. Look and record are one transaction.
    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError>;
    /// Records how a step ended: once, but an `unknown` outcome may be settled later.
    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError>;
    /// Records how a cycle ended: `done`, `failed`, `refused` or `stale`.
    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError>;
    /// The latest cycles, newest first.
    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError>;
    /// Cycles before an id (or from the latest), newest first.
    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError> {
        unimplemented!()
    }
    /// One cycle.
    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError> {
        unimplemented!()
    }
    /// The steps of a cycle in order.
    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError>;
    /// The ranges of a day whose cycles ended as `done`.
    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError> {
        unimplemented!()
    }
    /// Rows deleted by steps that were intended at or after an instant.
    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError> {
        unimplemented!()
    }

    /// Streams the hash chain from a number on, in order.
    async fn each_entry(
        &self,
        from: u64,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError> {
        unimplemented!()
    }
    /// Removes cycles that ended before an instant with their steps, entries of the hash chain from
    /// before it, and request keys older than a day. That it did so becomes an entry.
    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError> {
        unimplemented!()
    }
}
