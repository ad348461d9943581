//! What the engine asks of the metadata database: rules, the directory of workspaces, guards, leases,
//! plans under review, and the record of what was done. Two implementations keep the same contract:
//! SQLite and MySQL.
//!
//! Invariant: every change is one transaction, which also appends one entry to the hash chain. A
//! change of rules, directory, holds, pauses or settings raises the revision in that transaction. The
//! database itself guarantees that a scope has one active rule.

mod approval;
mod author;
mod connect;
mod cycle;
mod directory;
mod error;
mod fact;
mod guard;
mod import;
mod lease;
mod look;
mod migrations;
mod mysql;
mod quarantine;
mod remains;
mod row;
mod rule;
mod sqlite;
mod step;
mod witness;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::audit::{Entry, Head};
use crate::guard::PauseScope;
use crate::plan::StepCost;
use crate::rule::RuleId;
use crate::slot::SlotRange;

pub use approval::{Approval, NewApproval, NewPlan, PlanApproval, PlanRecord, PlanStatus};
pub use author::{Author, Created, RequestKey};
pub use connect::{connect_ledger, open_ledger};
pub use cycle::{CycleRecord, CycleStart, MutationKill, PrunedRecord};
pub use directory::{DirectoryError, read_directory};
pub use error::LedgerError;
pub use guard::{HoldRecord, NewHold, NewPause, PauseRecord};
pub use lease::{CYCLE_LEASE, Lease, LeaseAttempt};
pub use look::Look;
pub use mysql::TellPassword;
pub use quarantine::{NewQuarantine, QuarantineChange, QuarantineRecord, QuarantineState};
pub use remains::RemainsNote;
pub use rule::{CreatedRule, Deactivation, ImportRule, ImportedRules, NewRule, RuleRecord};
pub use step::{DeletedRows, Intended, StepIntent, StepOutcome, StepRecord};
pub use witness::Witness;

/// The metadata database.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Brings the schema up to date; returns the names of the migrations that were applied.
    async fn migrate(&self) -> Result<Vec<String>, LedgerError>;
    /// Fails with [`LedgerError::NotMigrated`] or [`LedgerError::TooNew`] unless the schema is
    /// exactly the one this version knows.
    async fn check_schema(&self) -> Result<(), LedgerError>;
    /// A number that grows with every change of rules, directory, holds, pauses or settings.
    async fn revision(&self) -> Result<u64, LedgerError>;

    /// The time, by the clock of the database.
    async fn now(&self) -> Result<Timestamp, LedgerError>;
    /// The revision that held at an instant of the database's clock; nothing before the first.
    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError>;

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

    /// Streams the rules that were active at a revision, ordered by id, as the ledger holds them now:
    /// one that was deactivated later says so.
    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError>;
    /// Streams the rules that were active at any revision from `first` to `last`, ordered by id, with
    /// the revisions at which they were; one that is active has no end.
    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError>;
    /// Up to `limit` rules after an id, in order: the active ones, or the whole history.
    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError>;
    /// The rules of a page of numbers, in their order, active or not.
    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError>;
    /// One rule, active or not.
    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError>;

    /// Records the settings that give rules their meaning (default and named periods, as
    /// canonical JSON), if they differ from those recorded last; that raises the revision.
    async fn note_settings(&self, body: &str, by: &str, at: Timestamp)
    -> Result<bool, LedgerError>;
    /// The settings that held at a revision.
    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError>;

    /// The settings that held at `first`, and those noted after it up to `last`, in order, with the
    /// revision since which they hold. Nothing if none held at `first`.
    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError>;

    /// Places a hold; raises the revision.
    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError>;
    /// Releases a hold; the row stays. Raises the revision.
    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Holds ordered by id: those in force, or the whole history.
    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError>;

    /// Begins a pause; raises the revision, unless its scope is paused already.
    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError>;
    /// Ends the pause of a scope; raises the revision. Returns whether there was one.
    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError>;
    /// Ends one pause, and no later one of its scope; raises the revision.
    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Pauses ordered by id: those in force, or the whole history.
    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError>;

    /// Asks for a lease: granted if it is free, has ended, or is ours already (`holder`), with a
    /// new token. Look and grant are one transaction, by the database's clock. Only a lease that is
    /// taken from somebody who never gave it back becomes an entry of the record.
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError>;
    /// Renews a lease, with the same token; nothing if it has ended or is somebody else's. On MySQL
    /// it does not wait for changes that are under way.
    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError>;
    /// Gives a lease back, if it still is ours.
    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError>;
    /// All leases that have not ended.
    async fn leases(&self) -> Result<Vec<Lease>, LedgerError>;

    /// Records an approval in the transaction that looks at the revision. Does not raise it.
    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError>;
    /// The latest revision that was approved.
    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError>;
    /// Keeps a plan for review, as `pending`. Does not raise the revision.
    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError>;
    /// The plan that a request has kept before, if it has within a day.
    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError>;
    /// Kept plans before an id (or from the latest), newest first.
    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError>;
    /// A kept plan and its body.
    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError>;
    /// Approves a kept plan: as [`Ledger::approve`], and marks it.
    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError>;
    /// Says where a kept plan stands; one that was applied or is stale stays so. No entry of the
    /// record: the cycle of a plan that is applied is one.
    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError>;

    /// Adds or moves workspaces, pairs of workspace and organization, all in one transaction or,
    /// if the iterator yields an error, none; returns how many were added or moved.
    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError>;
    /// Streams the directory as pairs of workspace and organization.
    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError>;

    /// Records that a cycle begins.
    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError>;
    /// Records that a step is about to be sent, unless the revision has moved on since the cycle
    /// was planned or renewed, or its lease is lost. Look and record are one transaction.
    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError>;
    /// Moves a cycle that has begun to a later revision, of rules with this digest, unless the revision
    /// has moved on from that one too, or the lease is lost. Look and record are one transaction.
    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError>;
    /// Records that partitions are about to be moved to quarantine, all in one transaction.
    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError>;
    /// Records what becomes of a partition in quarantine, unless the lease is lost or the revision
    /// that the change names holds no more. Look and record are one transaction.
    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError>;
    /// Partitions in quarantine, oldest first: those that are not over, or the whole history.
    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError>;
    /// Records that a person is about to end a mutation of ours: only an entry of the record.
    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError>;
    /// Records how a step ended: once, but an `unknown` outcome may be settled later.
    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError>;
    /// Records how a cycle ended: `done`, `partial`, `failed`, `refused`, `stale` or `reclaimed`.
    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError>;
    /// The latest cycles, newest first.
    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError> {
        self.cycles_before(None, limit).await
    }
    /// Cycles before an id (or from the latest), newest first.
    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError>;
    /// One cycle.
    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError>;
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
    /// The ranges of a day whose cycles ended as `done`.
    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError>;
    /// When a cycle last ended as `done` or `partial`; a backfill is of one scope and does not count.
    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError>;
    /// Notes a look, in the place of those that it overlaps and of old ones. Raises no revision,
    /// and is no entry of the record: whoever looks again may differ.
    async fn note_look(&self, look: &Look) -> Result<(), LedgerError>;
    /// All looks, in the order of their places.
    async fn looks(&self) -> Result<Vec<Look>, LedgerError>;
    /// Notes what a table holds of deleted rows, in the place of what was seen of it before. Raises no
    /// revision, and is no entry of the record.
    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError>;
    /// What was seen last, of all tables of all shards.
    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError>;
    /// Rows deleted by steps that were intended at or after an instant. Where the rows left were not
    /// counted, all that were due count as deleted, whatever the verdict.
    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError>;

    /// What the newest verified steps since an instant cost; at most a thousand.
    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError>;

    /// The end of the hash chain, kept beside it: entries cut off at its end are missed by it.
    async fn audit_head(&self) -> Result<Head, LedgerError>;
    /// Streams the hash chain from a number on, in order.
    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError>;
    /// Removes cycles that ended before an instant with their steps (or began before it, never ended,
    /// and lost their lease), entries of the hash chain from before it, and request keys older than a
    /// day. That it did so becomes an entry, which names the last entry that is gone.
    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError>;
}
