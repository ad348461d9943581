//! The ledger in MySQL or MariaDB, for production.
//!
//! Invariant: every change of rules or directory first locks the row with the revision, so that
//! changes queue instead of deadlocking. That is for speed: that one scope has one active rule is
//! guaranteed by a unique key, whoever writes and at any isolation level.

mod connect;
mod cycles;
mod fault;
mod rules;
mod value;
mod workspaces;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Pool, Transaction, TxOpts};
use secrecy::SecretString;

use super::connect::redact;
use super::import::Batches;
use super::row::{Malformed, storable};
use super::{
    Author, CreatedRule, CycleRecord, CycleStart, Deactivation, ImportRule, ImportedRules,
    Intended, Ledger, LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord,
    migrations,
};
use crate::rule::RuleId;
use crate::sql::sql;

pub(super) use connect::{connected, options};
pub(super) use fault::is_lost;

use fault::{Attempts, Fault};
use value::{column, instant, instant_value, optional_instant};

/// A MySQL or MariaDB database.
pub(super) struct MySql {
    url: String,
    pool: Pool,
}

impl MySql {
    /// Nothing is connected to yet.
    pub(super) fn new(url: &str, password: Option<SecretString>) -> Result<Self, LedgerError> {
        let opts = options(url, password)?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err(LedgerError::BadUrl {
                url: redact(url),
                problem: "it names no database; write mysql://user@host:3306/database".into(),
            });
        }
        Ok(Self {
            url: redact(url),
            pool: Pool::new(opts),
        })
    }

    pub(super) async fn connect(
        url: &str,
        password: Option<SecretString>,
    ) -> Result<Self, LedgerError> {
        let this = Self::new(url, password)?;
        let mut connection = this.connection().await?;
        connection
            .ping()
            .await
            .map_err(|error| this.error("be asked", error.into()))?;
        Ok(this)
    }

    async fn connection(&self) -> Result<Conn, LedgerError> {
        connected(self.pool.get_conn(), &self.url).await
    }
}

/// Begins a change of rules or directory; the others wait until it ends.
async fn begin_change(connection: &mut Conn) -> Result<Transaction<'_>, Fault> {
    let mut transaction = connection.start_transaction(TxOpts::new()).await?;
    let revision: Option<u64> = transaction
        .exec_first(sql!("ledger/mysql/lock_revision.sql"), ())
        .await?;
    match revision {
        Some(_) => Ok(transaction),
        None => Err(Malformed("the table meta is empty".into()).into()),
    }
}

async fn raise_revision(transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction
        .exec_drop(sql!("ledger/mysql/raise_revision.sql"), ())
        .await?)
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
        migrations::check_not_too_new(&applied_migrations(connection).await?, &self.url)?;
        let runner = migrations::runner(&migrations::MYSQL)?;
        let mut pool = self.pool.clone();
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
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {{
        let mut connection = $this.connection().await?;
        let $connection = &mut connection;
        $operation
            .await
            .map_err(|fault| $this.error($action, fault))
    }};
}

/// The same, and once more after a conflict.
macro_rules! retried {
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {{
        let mut attempts = Attempts::default();
        loop {
            let mut connection = $this.connection().await?;
            let $connection = &mut connection;
            match $operation.await {
                Err(fault) if attempts.again(&fault).await => {}
                result => break result.map_err(|fault| $this.error($action, fault)),
            }
        }
    }};
}

#[async_trait]
impl Ledger for MySql {
    async fn migrate(&self) -> Result<Vec<String>, LedgerError> {
        on_connection!(self, "be migrated", connection => self.migrate_alone(connection))
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let applied = on_connection!(self, "read its schema version",
            connection => applied_migrations(connection))?;
        migrations::check(&applied, &self.url)
    }

    async fn revision(&self) -> Result<u64, LedgerError> {
        on_connection!(self, "read its revision", connection => rules::revision(connection))
    }

    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let by = by.name;
        let mut rule = rule.clone();
        rule.created_at = storable(rule.created_at)?;
        retried!(self, "create the rule", connection => rules::create(connection, &rule, by))
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
        on_connection!(self, "import the rules",
            connection => rules::import(connection, &mut next, by, now))
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let at = storable(at)?;
        retried!(self, "deactivate the rule",
            connection => rules::deactivate(connection, id, by, at))
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules",
            connection => rules::each(connection, with_history, visit))
    }

    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        _by: &str,
    ) -> Result<u64, LedgerError> {
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *pairs);
        on_connection!(self, "import the workspaces",
            connection => workspaces::put(connection, &mut next))
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the workspaces",
            connection => workspaces::each(connection, visit))
    }

    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        on_connection!(self, "record the cycle", connection => cycles::begin(connection, start))
    }

    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        on_connection!(self, "record the step", connection => cycles::intend(connection, intent))
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        on_connection!(self, "record how the step ended",
            connection => cycles::finish(connection, outcome))
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        on_connection!(self, "record how the cycle ended",
            connection => cycles::end(connection, id, status, at))
    }

    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError> {
        on_connection!(self, "list the cycles", connection => cycles::latest(connection, limit))
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps", connection => cycles::steps(connection, cycle))
    }
}
