//! The ledger in MySQL or MariaDB, for production.
//!
//! Invariant: every change of rules or directory first locks the row with the revision, so that
//! changes queue instead of deadlocking. That is for speed: that one scope has one active rule is
//! guaranteed by a unique key, whoever writes and at any isolation level.

mod access;
mod borrowed;
mod change;
mod connect;
mod cycles;
mod fault;
mod guards;
mod leases;
mod limit;
mod looks;
mod plans;
mod quarantines;
mod record;
mod remains;
mod rules;
mod value;
mod workspaces;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::import::Batches;
use super::row::{Malformed, oldest_request, storable};
use super::{
    Approval, Author, Created, CreatedRule, CycleRecord, CycleStart, Deactivation, DeletedRows,
    HoldRecord, ImportRule, ImportedRules, Intended, Lease, LeaseAttempt, Ledger, LedgerError,
    Look, MutationKill, NewApproval, NewHold, NewPause, NewPlan, NewQuarantine, NewRule,
    PauseRecord, PlanApproval, PlanRecord, PlanStatus, PrunedRecord, QuarantineChange,
    QuarantineRecord, RemainsNote, RequestKey, RuleRecord, StepIntent, StepOutcome, StepRecord,
    migrations,
};
use crate::audit::{Entry, Head};
use crate::guard::PauseScope;
use crate::plan::StepCost;
use crate::rule::RuleId;
use crate::slot::SlotRange;
use crate::sql::sql;

pub use access::TellPassword;
pub(super) use connect::{connected, options};
pub(super) use fault::is_lost;

use access::Access;
use borrowed::Borrowed;
use change::Change;
use fault::{Attempts, Fault};
use limit::{LIMIT, NO_LIMIT, in_time};
use value::column;

/// A MySQL or MariaDB database.
pub(super) struct MySql {
    access: Access,
}

impl MySql {
    /// Nothing is connected to yet.
    pub(super) fn new(url: &str, password: TellPassword) -> Result<Self, LedgerError> {
        let access = Access::new(url, password)?;
        Ok(Self { access })
    }

    pub(super) async fn connect(url: &str, password: TellPassword) -> Result<Self, LedgerError> {
        let this = Self::new(url, password)?;
        let mut connection = this.access.connection().await?;
        connection
            .ping()
            .await
            .map_err(|error| this.error("be asked", error.into()))?;
        Ok(this)
    }
}

async fn applied_migrations(connection: &mut Conn) -> Result<Vec<(i32, String)>, Fault> {
    match connection
        .query(sql!("ledger/mysql/applied_migrations.sql"))
        .await
    {
        Ok(applied) => Ok(applied),
        // There is no such table.
        Err(mysql_async::Error::Server(error)) if error.code == 1146 => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

impl MySql {
    async fn migrate_alone(&self, connection: &mut Conn) -> Result<Vec<String>, Fault> {
        let sql = sql!("ledger/mysql/take_migration_lock.sql");
        let locked: Option<Option<u8>> = connection.query_first(sql).await?;
        if locked.flatten() != Some(1) {
            return Err(Malformed("another migration is running; try again".into()).into());
        }
        migrations::check_not_too_new(&applied_migrations(connection).await?, &self.access.url)?;
        let runner = migrations::runner(&migrations::MYSQL)?;
        let mut pool = self.access.pool();
        let report = runner
            .run_async(&mut pool)
            .await
            .map_err(migrations::migration_failed)?;
        connection
            .query_drop(sql!("ledger/mysql/release_migration_lock.sql"))
            .await?;
        Ok(migrations::applied_by(&report))
    }
}

/// Runs an operation on a connection of the pool and names what failed.
macro_rules! on_connection {
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {
        on_connection!($this, $action, Some(LIMIT), $connection => $operation)
    };
    ($this:ident, $action:literal, $limit:expr, $connection:ident => $operation:expr) => {{
        let mut borrowed = Borrowed::new($this.access.connection().await?);
        let work = async {
            let $connection = borrowed.connection()?;
            $operation.await
        };
        let result = in_time($limit, work).await;
        borrowed.after(&result);
        result.map_err(|fault| $this.error($action, fault))
    }};
}

/// Runs a change in a transaction of its own.
macro_rules! changed {
    ($this:ident, $limit:expr, $change:ident => $operation:expr) => {{
        let mut borrowed = Borrowed::new($this.access.connection().await?);
        let work = async {
            let beginning = Change::begin(borrowed.connection()?);
            let mut change = in_time(Some(LIMIT), beginning).await?;
            let $change = &mut change;
            let done = $operation.await;
            in_time(Some(LIMIT), change.end(done)).await
        };
        let result = in_time($limit, work).await;
        borrowed.after(&result);
        result
    }};
}

/// The same, and names what failed.
macro_rules! in_change {
    ($this:ident, $action:literal, $limit:expr, $change:ident => $operation:expr) => {
        changed!($this, $limit, $change => $operation).map_err(|fault| $this.error($action, fault))
    };
}

/// The same, and once more after a conflict.
macro_rules! retried {
    ($this:ident, $action:literal, $change:ident => $operation:expr) => {{
        let mut attempts = Attempts::default();
        loop {
            match changed!($this, Some(LIMIT), $change => $operation) {
                Err(fault) if attempts.again(&fault).await => {}
                result => break result.map_err(|fault| $this.error($action, fault)),
            }
        }
    }};
}

#[async_trait]
impl Ledger for MySql {
    async fn migrate(&self) -> Result<Vec<String>, LedgerError> {
        on_connection!(self, "be migrated", NO_LIMIT, connection => self.migrate_alone(connection))
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let applied = on_connection!(self, "read its schema version",
            connection => applied_migrations(connection))?;
        migrations::check(&applied, &self.access.url)
    }

    async fn revision(&self) -> Result<u64, LedgerError> {
        on_connection!(self, "read its revision", connection => record::revision(connection))
    }

    async fn now(&self) -> Result<Timestamp, LedgerError> {
        on_connection!(self, "tell the time", connection => record::now(connection))
    }

    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError> {
        on_connection!(self, "read its revision", connection => record::revision_at(connection, at))
    }

    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let mut rule = rule.clone();
        rule.created_at = storable(rule.created_at)?;
        retried!(self, "create the rule", change => rules::create(change, &rule, by))
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let now = storable(now)?;
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *rules);
        in_change!(self, "import the rules",
            NO_LIMIT, change => rules::import(change, &mut next, by, now))
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let at = storable(at)?;
        retried!(self, "deactivate the rule", change => rules::deactivate(change, id, by, at))
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => rules::each(connection, with_history, visit))
    }

    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => rules::each_at(connection, revision, visit))
    }

    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => rules::each_within(connection, first, last, visit))
    }

    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError> {
        on_connection!(self, "list the rules", connection => rules::after(connection, after, with_history, limit))
    }

    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError> {
        on_connection!(self, "list the rules", connection => rules::some(connection, ids))
    }

    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError> {
        on_connection!(self, "read the rule", connection => rules::one(connection, id))
    }

    async fn note_settings(
        &self,
        body: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        retried!(self, "note the settings", change => record::note_settings(change, body, by, at))
    }

    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError> {
        on_connection!(self, "read the settings", connection => record::settings_at(connection, revision))
    }

    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        on_connection!(self, "read the settings", connection => record::settings_within(connection, first, last))
    }

    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError> {
        retried!(self, "place the hold", change => guards::place_hold(change, hold, by))
    }

    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        retried!(self, "release the hold", change => guards::release_hold(change, id, by, at))
    }

    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError> {
        on_connection!(self, "list the holds", connection => guards::holds(connection, with_history))
    }

    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError> {
        retried!(self, "begin the pause", change => guards::pause(change, pause, by))
    }

    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        retried!(self, "end the pause", change => guards::resume(change, scope, by, at))
    }

    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        retried!(self, "end the pause", change => guards::end_pause(change, id, by, at))
    }

    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError> {
        on_connection!(self, "list the pauses", connection => guards::pauses(connection, with_history))
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError> {
        in_change!(self, "grant the lease", Some(LIMIT), change => leases::acquire(change, name, holder, length))
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError> {
        on_connection!(self, "renew the lease", connection => leases::renew(connection, lease, length))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        on_connection!(self, "take the lease back", connection => leases::release(connection, lease))
    }

    async fn leases(&self) -> Result<Vec<Lease>, LedgerError> {
        on_connection!(self, "list the leases", connection => leases::all(connection))
    }

    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError> {
        retried!(self, "record the approval", change => plans::approve(change, approval, by))
    }

    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError> {
        on_connection!(self, "read what was approved", connection => plans::approved_revision(connection))
    }

    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError> {
        retried!(self, "keep the plan", change => plans::keep(change, plan, by))
    }

    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError> {
        on_connection!(self, "list the plans", connection => plans::before(connection, before, limit))
    }

    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError> {
        let oldest = oldest_request(self.now().await?);
        on_connection!(self, "look for an earlier request", connection => change::earlier(connection, request, oldest))
    }

    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError> {
        on_connection!(self, "read the plan", connection => plans::kept(connection, id))
    }

    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError> {
        retried!(self, "approve the plan", change => plans::approve_kept(change, id, by, at))
    }

    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError> {
        retried!(self, "mark the plan", change => plans::mark(change, id, status))
    }

    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError> {
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *pairs);
        in_change!(self, "import the workspaces",
            NO_LIMIT, change => workspaces::put(change, &mut next, by))
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the workspaces", NO_LIMIT, connection => workspaces::each(connection, visit))
    }

    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        in_change!(self, "record the cycle", Some(LIMIT), change => cycles::begin(change, start))
    }

    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        in_change!(self, "record the step", Some(LIMIT), change => cycles::intend(change, intent))
    }

    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError> {
        retried!(self, "renew the cycle", change => cycles::renew(change, id, revision, rules_digest))
    }

    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError> {
        in_change!(self, "record the quarantine", Some(LIMIT), change => quarantines::begin(change, quarantines, by))
    }

    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError> {
        retried!(self, "record what becomes of the quarantine", change => quarantines::move_on(change, to, by))
    }

    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError> {
        on_connection!(self, "list the quarantine", connection => quarantines::all(connection, with_history))
    }

    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError> {
        in_change!(self, "record the end of a mutation", Some(LIMIT), change => record::note_kill(change, kill, by))
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        retried!(self, "record how the step ended", change => cycles::finish(change, outcome))
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        retried!(self, "record how the cycle ended", change => cycles::end(change, id, status, at))
    }

    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError> {
        on_connection!(self, "list the cycles", connection => cycles::before(connection, before, limit))
    }

    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError> {
        on_connection!(self, "read the cycle", connection => cycles::one(connection, id))
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps", connection => cycles::steps(connection, cycle))
    }

    async fn unsettled_steps(
        &self,
        token: u64,
        since: Timestamp,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps without an outcome", connection => cycles::unsettled(connection, token, since))
    }

    async fn refused_steps(&self, since: Timestamp) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps that were refused", connection => cycles::refused(connection, since))
    }

    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError> {
        on_connection!(self, "list the slots", connection => cycles::slots_done(connection, day))
    }

    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError> {
        on_connection!(self, "ask for the last success", connection => cycles::last_success(connection))
    }

    async fn note_look(&self, look: &Look) -> Result<(), LedgerError> {
        retried!(self, "note what was seen", change => looks::note(change, look))
    }

    async fn looks(&self) -> Result<Vec<Look>, LedgerError> {
        on_connection!(self, "list what was seen", connection => looks::all(connection))
    }

    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError> {
        retried!(self, "note what is left on disk", change => remains::note(change, note))
    }

    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError> {
        on_connection!(self, "list what is left on disk", connection => remains::all(connection))
    }

    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError> {
        on_connection!(self, "sum up the steps", connection => cycles::deleted_since(connection, since))
    }

    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError> {
        on_connection!(self, "read what steps cost", connection => cycles::step_costs(connection, since))
    }

    async fn audit_head(&self) -> Result<Head, LedgerError> {
        on_connection!(self, "read the end of the record", connection => change::head(connection))
    }

    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the record", NO_LIMIT, connection => change::each_entry(connection, from, limit, visit))
    }

    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError> {
        let mut pruned = PrunedRecord::default();
        loop {
            let batch = in_change!(self, "prune the record", NO_LIMIT, change => record::prune(change, before, by, now))?;
            pruned.add(batch);
            if !batch.is_full() {
                return Ok(pruned);
            }
        }
    }
}
