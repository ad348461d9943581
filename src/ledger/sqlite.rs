//! The ledger in an SQLite file, for one machine.
//!
//! Invariant: only `migrate` creates the file. Every change is a `BEGIN IMMEDIATE` transaction, so
//! that processes queue for the lock at its start and never fail in the middle.

mod cycles;
mod rules;
mod workspaces;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::connect::redact;
use super::import::Batches;
use super::row::{Malformed, storable};
use super::{
    CreatedRule, CycleRecord, CycleStart, Deactivation, ImportRule, ImportedRules, Ledger,
    LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord, migrations,
};
use crate::rule::RuleId;
use crate::sql::sql;

const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const N_MIGRATION_ATTEMPTS: u32 = 100;
const MIGRATION_PAUSE: Duration = Duration::from_millis(20);
const STREAM_ROWS: usize = 500;

/// An SQLite file.
pub(super) struct Sqlite {
    url: String,
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// What stops an operation on the blocking thread.
#[derive(Debug)]
enum Fault {
    Sql(rusqlite::Error),
    Malformed(Malformed),
    Other(LedgerError),
    /// The other side is gone and has its own reason.
    Abandoned,
    /// Another process applied migrations meanwhile.
    Overtaken,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Other(error)
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
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
            Ok(result) => result.map_err(|fault| self.error(action, fault)),
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

    fn error(&self, action: &'static str, fault: Fault) -> LedgerError {
        let error = match fault {
            Fault::Other(error) => return error,
            Fault::Abandoned => return LedgerError::Aborted("the input ended early".into()),
            Fault::Overtaken => {
                let source = "another migration is running; try again".into();
                return LedgerError::Busy {
                    url: self.url.clone(),
                    source,
                };
            }
            Fault::Malformed(error) => {
                return LedgerError::Database {
                    action,
                    source: error.into(),
                };
            }
            Fault::Sql(error) => error,
        };
        let url = self.url.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) if !self.path.exists() && self.folder_exists() => {
                migrations::check(&[], &url)
                    .err()
                    .unwrap_or(LedgerError::Database {
                        action,
                        source: error.into(),
                    })
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                LedgerError::Unreachable {
                    url,
                    source: error.into(),
                }
            }
            _ if is_busy(&error) => LedgerError::Busy {
                url,
                source: error.into(),
            },
            _ => LedgerError::Database {
                action,
                source: error.into(),
            },
        }
    }

    fn folder_exists(&self) -> bool {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        folder.is_none_or(Path::is_dir)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
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

/// Where a reader on the blocking thread puts its rows.
struct Outlet<T> {
    sender: mpsc::Sender<Vec<T>>,
    batch: Vec<T>,
}

impl<T> Outlet<T> {
    fn push(&mut self, row: T) -> Result<(), Fault> {
        self.batch.push(row);
        if self.batch.len() < STREAM_ROWS {
            Ok(())
        } else {
            self.flush()
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let batch = std::mem::take(&mut self.batch);
        self.sender
            .blocking_send(batch)
            .map_err(|_| Fault::Abandoned)
    }
}

/// Where a writer on the blocking thread gets its batches.
struct Inlet<B> {
    receiver: mpsc::Receiver<Vec<B>>,
}

impl<B> Inlet<B> {
    /// The next batch, nothing at the end, and a fault if the input broke off before its end.
    fn next(&mut self) -> Result<Option<Vec<B>>, Fault> {
        match self.receiver.blocking_recv() {
            Some(batch) => Ok(Some(batch).filter(|batch| !batch.is_empty())),
            None => Err(Fault::Abandoned),
        }
    }
}

fn applied_migrations(connection: &Connection) -> Result<Vec<(i32, String)>, rusqlite::Error> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(sql!("ledger/sqlite/applied_migrations.sql"))?;
    statement
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Others may migrate at the same time: whoever meets them looks again, a bounded number of times.
fn migrate(connection: &mut Connection, url: &str) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for _ in 0..N_MIGRATION_ATTEMPTS {
        match migrate_once(connection, url, &mut names) {
            // Changing the journal mode does not wait for the busy timeout.
            Err(Fault::Sql(error)) if is_busy(&error) => std::thread::sleep(MIGRATION_PAUSE),
            Err(Fault::Overtaken) => {}
            result => return result.map(|()| names),
        }
    }
    migrate_once(connection, url, &mut names).map(|()| names)
}

fn migrate_once(
    connection: &mut Connection,
    url: &str,
    names: &mut Vec<String>,
) -> Result<(), Fault> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let before = applied_migrations(connection)?;
    migrations::check_not_too_new(&before, url)?;
    match migrations::runner(&migrations::SQLITE)?.run(connection) {
        Ok(report) => {
            names.extend(migrations::applied_by(&report));
            Ok(())
        }
        Err(error) => {
            names.extend(
                error
                    .report()
                    .map(migrations::applied_by)
                    .unwrap_or_default(),
            );
            if applied_migrations(connection)?.len() > before.len() {
                return Err(Fault::Overtaken);
            }
            Err(migrations::migration_failed(error).into())
        }
    }
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

    async fn create_rule(&self, rule: &NewRule, by: &str) -> Result<CreatedRule, LedgerError> {
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

    async fn intend_step(&self, intent: &StepIntent) -> Result<(), LedgerError> {
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

/// SQLite's integers are signed.
fn unsigned(number: i64) -> Result<u64, Malformed> {
    u64::try_from(number).map_err(|_| Malformed(format!("{number} cannot be negative")))
}

fn signed(number: u64) -> Result<i64, Malformed> {
    i64::try_from(number).map_err(|_| Malformed(format!("{number} is too large")))
}

/// Text that sorts like time: `2026-11-21T03:37:19.000000Z`.
fn instant_text(at: Timestamp) -> String {
    format!("{at:.6}")
}

fn instant(text: &str) -> Result<Timestamp, Malformed> {
    text.parse()
        .map_err(|_| Malformed(format!("{text:?} is not an instant")))
}
