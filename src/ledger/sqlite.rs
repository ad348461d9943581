//! The ledger in an SQLite file, for one machine.
//!
//! Invariant: only `migrate` creates the file. Every change is a `BEGIN IMMEDIATE` transaction, so
//! that processes queue for the lock at its start and never fail in the middle.

mod change;
mod cycles;
mod fault;
mod holds;
mod leases;
mod looks;
mod meta;
mod migrate;
mod pauses;
mod plans;
mod ports;
mod quarantines;
mod record;
mod remains;
mod rules;
mod settings;
mod steps;
mod value;
mod workspaces;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::mpsc;

use super::connect::redact;
use super::{Author, LedgerError, RequestKey};

use change::Change;
use fault::Fault;
use ports::{Inlet, Outlet};

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
        change: impl FnOnce(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
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
        change: impl FnOnce(&mut Change<'_>, &mut Inlet<B>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (sender, receiver) = mpsc::channel(2);
        let write = self.write(action, move |under_way| {
            change(under_way, &mut Inlet { receiver })
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
    operate: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut change = Change::begin(transaction)?;
    let changed = operate(&mut change)?;
    change.commit()?;
    Ok(changed)
}

/// An [`Author`] on the way to the blocking thread.
struct Asker {
    name: String,
    request: Option<RequestKey>,
}

impl From<Author<'_>> for Asker {
    fn from(by: Author<'_>) -> Self {
        Self {
            name: by.name.to_owned(),
            request: by.request.cloned(),
        }
    }
}
