//! The ledger in an SQLite file, for one machine.
//!
//! Invariant: only `migrate` creates the file. Every change is a `BEGIN IMMEDIATE` transaction, so
//! that processes queue for the lock at its start and never fail in the middle.

mod cycles;
mod fault;
mod migrate;
mod ports;
mod rules;
mod value;
mod workspaces;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::connect::redact;
use super::import::Batches;
use super::row::storable;
use super::{
    Author, CreatedRule, CycleRecord, CycleStart, Deactivation, ImportRule, ImportedRules,
    Intended, Ledger, LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord,
    migrations,
};
use crate::rule::RuleId;
use crate::sql::sql;

use fault::Fault;
use migrate::{applied_migrations, migrate};
use ports::{Inlet, Outlet};
use value::{instant, instant_text, signed, unsigned};

const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An SQLite file.
pub(super) struct Sqlite {
    url: String,
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Sqlite {
    pub(super) fn new(url: &str, path: &str) -> Result<Self, LedgerError> {
        if path.is_empty() {
            return Err(LedgerError::BadUrl {
                url: redact(url),
                problem: "it names no file; write sqlite://ebbtide.db".into(),
            });
        }
        let (url, path) = (url.to_owned(), path.into());
        Ok(Self {
            url,
            path,
            connection: Arc::default(),
        })
    }

    /// Runs on a blocking thread with the connection, which is opened first if need be.
    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        may_create: bool,
        operate: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (shared, path) = (Arc::clone(&self.connection), self.path.clone());
        let result = tokio::task::spawn_blocking(move || {
            let mut slot = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *slot {
                Some(connection) => connection,
                empty => empty.insert(open(&path, may_create)?),
            };
            operate(connection)
        });
        match result.await {
            Ok(result) => result.map_err(|fault| self.error(action, may_create, fault)),
            Err(panicked) => Err(LedgerError::Database {
                action,
                source: panicked.into(),
            }),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.run(action, false, |connection| {
            in_transaction(connection, change)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        action: &'static str,
        look: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.run(action, false, |connection| look(connection)).await
    }

    /// Hands the rows that `look` pushes to `visit`, a batch at a time.
    async fn stream<T: Send + 'static>(
        &self,
        action: &'static str,
        look: impl FnOnce(&Connection, &mut Outlet<T>) -> Result<(), Fault> + Send + 'static,
        visit: &mut (dyn FnMut(T) + Send),
    ) -> Result<(), LedgerError> {
        let (sender, mut batches) = mpsc::channel(2);
        let read = self.read(action, move |connection| {
            let mut outlet = Outlet {
                sender,
                batch: Vec::new(),
            };
            look(connection, &mut outlet)?;
            outlet.flush()
        });
        let visit_all = async {
            while let Some(batch) = batches.recv().await {
                Vec::into_iter(batch).for_each(&mut *visit);
            }
        };
        tokio::join!(read, visit_all).0
    }

    /// Feeds batches from `next` to `change`, in one transaction that is committed only if `next`
    /// comes to its end.
    async fn write_batches<B: Send + 'static, T: Send + 'static>(
        &self,
        action: &'static str,
        mut next: impl FnMut() -> Result<Vec<B>, LedgerError> + Send,
        change: impl FnOnce(&Transaction<'_>, &mut Inlet<B>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (sender, receiver) = mpsc::channel(2);
        let write = self.write(action, move |transaction| {
            change(transaction, &mut Inlet { receiver })
        });
        let feed = async move {
            loop {
                let batch = next()?;
                let is_last = batch.is_empty();
                // A receiver that is gone has failed, and its own error says why.
                if sender.send(batch).await.is_err() || is_last {
                    return Ok(());
                }
            }
        };
        let (changed, input): (_, Result<(), LedgerError>) = tokio::join!(write, feed);
        input.and(changed)
    }
}

fn open(path: &Path, may_create: bool) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    Ok(connection)
}

fn in_transaction<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let changed = change(&transaction)?;
    transaction.commit()?;
    Ok(changed)
}

fn raise_revision(transaction: &Transaction<'_>) -> Result<(), Fault> {
    transaction.execute(sql!("ledger/sqlite/raise_revision.sql"), ())?;
    Ok(())
}

#[async_trait]
impl Ledger for Sqlite {
    async fn migrate(&self) -> Result<Vec<String>, LedgerError> {
        let url = self.url.clone();
        self.run("be migrated", true, move |connection| {
            migrate(connection, &url)
        })
        .await
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let look = |connection: &Connection| Ok(applied_migrations(connection)?);
        let applied = self.read("read its schema version", look).await?;
        migrations::check(&applied, &self.url)
    }

    async fn revision(&self) -> Result<u64, LedgerError> {
        self.read("read its revision", |connection| {
            let sql = sql!("ledger/sqlite/read_revision.sql");
            let revision: i64 = connection.query_row(sql, (), |row| row.get(0))?;
            Ok(unsigned(revision)?)
        })
        .await
    }

    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let by = by.name;
        let mut rule = rule.clone();
        rule.created_at = storable(rule.created_at)?;
        let by = by.to_owned();
        self.write("create the rule", move |transaction| {
            rules::create(transaction, rule, &by)
        })
        .await
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let (by, now) = (by.to_owned(), storable(now)?);
        let mut batches = Batches::new();
        self.write_batches(
            "import the rules",
            move || batches.next(rules),
            move |transaction, inlet| rules::import(transaction, inlet, &by, now),
        )
        .await
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let (by, at) = (by.to_owned(), storable(at)?);
        self.write("deactivate the rule", move |transaction| {
            rules::deactivate(transaction, id, &by, at)
        })
        .await
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<RuleRecord>| {
            rules::each(connection, with_history, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
    ) -> Result<u64, LedgerError> {
        let mut batches = Batches::new();
        self.write_batches(
            "import the workspaces",
            move || batches.next(pairs),
            workspaces::put,
        )
        .await
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        let mut visit_pair = |(workspace, organization)| visit(workspace, organization);
        self.stream("list the workspaces", workspaces::each, &mut visit_pair)
            .await
    }

    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        let start = start.clone();
        self.write("record the cycle", move |transaction| {
            cycles::begin(transaction, &start)
        })
        .await
    }

    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        let intent = intent.clone();
        self.write("record the step", move |transaction| {
            cycles::intend(transaction, &intent)
        })
        .await
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        let outcome = outcome.clone();
        self.write("record how the step ended", move |transaction| {
            cycles::finish(transaction, &outcome)
        })
        .await
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        let (id, status) = (id.to_owned(), status.to_owned());
        self.write("record how the cycle ended", move |transaction| {
            cycles::end(transaction, &id, &status, at)
        })
        .await
    }

    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError> {
        self.read("list the cycles", move |connection| {
            cycles::latest(connection, limit)
        })
        .await
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        let cycle = cycle.to_owned();
        self.read("list the steps", move |connection| {
            cycles::steps(connection, &cycle)
        })
        .await
    }
}
