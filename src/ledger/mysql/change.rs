//! A change under way: it raises the revision and adds to the record, all in one transaction.

use std::ops::{Deref, DerefMut};

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Transaction, TxOpts, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::limit::{LIMIT, each_row, heard, in_time};
use super::value::{column, instant, instant_value};
use crate::audit::{Entry, Fact, Head, canonical, seal};
use crate::ledger::RequestKey;
use crate::ledger::fact::Deed;
use crate::ledger::row::{EntryRow, Malformed, oldest_request, repeated};
use crate::sql::sql;

/// Nobody else changes the ledger while it is under way: it holds the lock on `meta`.
pub(super) struct Change<'c> {
    transaction: Transaction<'c>,
    revision: u64,
    head: Head,
    now: Timestamp,
}

impl<'c> Deref for Change<'c> {
    type Target = Transaction<'c>;

    fn deref(&self) -> &Transaction<'c> {
        &self.transaction
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.transaction
    }
}

impl<'c> Change<'c> {
    /// The others wait until it ends.
    pub(super) async fn begin(connection: &'c mut Conn) -> Result<Self, Fault> {
        let mut transaction = connection.start_transaction(TxOpts::new()).await?;
        let sql = sql!("ledger/mysql/lock_revision.sql");
        let _revision: Option<u64> = transaction.exec_first(sql, ()).await?;
        // The time is asked for after the lock: whoever waited for it must not act on a lease that
        // has ended meanwhile.
        let sql = sql!("ledger/mysql/begin_change.sql");
        let row: Option<Row> = transaction.exec_first(sql, ()).await?;
        let mut row = row.ok_or_else(|| Malformed("the table meta is empty".into()))?;
        Ok(Self {
            transaction,
            revision: column(&mut row, 0)?,
            head: Head {
                seq: column(&mut row, 1)?,
                hash: column(&mut row, 2)?,
            },
            now: instant(&mut row, 3)?,
        })
    }

    /// Commits what was done, or rolls it back; unless the server fell silent, the lock is free when this
    /// returns.
    pub(super) async fn end<T>(self, done: Result<T, Fault>) -> Result<T, Fault> {
        match done {
            Ok(done) => {
                self.transaction.commit().await?;
                Ok(done)
            }
            // Whoever did not answer is not asked again: the transaction ends with its connection.
            Err(fault @ Fault::Late(_)) => Err(fault),
            Err(fault) => {
                // What went wrong first is the reason; a connection that is lost rolls back too.
                self.transaction.rollback().await.ok();
                Err(fault)
            }
        }
    }

    /// The revision that holds, or, after [`Change::raise`], that will.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The time at which the change began, by the clock of the database.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Executes a statement; returns how many rows it found.
    pub(super) async fn execute(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Fault> {
        let values = Params::Positional(values);
        let execution = async { Ok(self.transaction.exec_drop(sql, values).await?) };
        in_time(Some(LIMIT), execution).await?;
        Ok(self.transaction.affected_rows())
    }

    /// The rows that a query finds.
    pub(super) async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let values = Params::Positional(values);
        heard(self.transaction.exec(sql, values)).await
    }

    /// The number of the row that was inserted last, of several in one statement the first.
    pub(super) fn inserted_id(&self) -> Result<u64, Malformed> {
        self.transaction
            .last_insert_id()
            .ok_or_else(|| Malformed("the table numbers no rows".into()))
    }

    /// Raises the revision: once in a change.
    pub(super) async fn raise(&mut self) -> Result<u64, Fault> {
        let revision = self.revision.saturating_add(1);
        let sql = sql!("ledger/mysql/raise_revision.sql");
        self.execute(sql, vec![revision.into()]).await?;
        let values = vec![revision.into(), instant_value(self.now)];
        let sql = sql!("ledger/mysql/insert_revision.sql");
        self.execute(sql, values).await?;
        self.revision = revision;
        Ok(revision)
    }

    /// Adds an entry to the hash chain.
    pub(super) async fn record(&mut self, deed: Deed) -> Result<(), Fault> {
        let fact = Fact {
            at: self.now,
            actor: deed.actor,
            kind: deed.kind.into(),
            body: deed.body,
        };
        let entry = seal(&self.head, fact)?;
        let values = vec![
            entry.seq.into(),
            instant_value(entry.fact.at),
            (&entry.fact.actor).into(),
            (&entry.fact.kind).into(),
            canonical(&entry.fact.body)?.into(),
            (&entry.previous).into(),
            (&entry.hash).into(),
        ];
        self.execute(sql!("ledger/mysql/insert_entry.sql"), values)
            .await?;
        let values = vec![entry.seq.into(), (&entry.hash).into()];
        self.execute(sql!("ledger/mysql/move_head.sql"), values)
            .await?;
        self.head = entry.head();
        Ok(())
    }

    /// What the same request created before, if it came before.
    pub(super) async fn repeated<T: DeserializeOwned>(
        &mut self,
        key: Option<&RequestKey>,
    ) -> Result<Option<T>, Fault> {
        let Some(key) = key else { return Ok(None) };
        let oldest = oldest_request(self.now);
        let sql = sql!("ledger/mysql/forget_requests.sql");
        self.execute(sql, vec![instant_value(oldest)]).await?;
        earlier(&mut self.transaction, key, oldest).await
    }

    /// Remembers what a request has created.
    pub(super) async fn remember(
        &mut self,
        key: Option<&RequestKey>,
        result: &(impl Serialize + Sync),
    ) -> Result<(), Fault> {
        let Some(key) = key else { return Ok(()) };
        let values = vec![
            key.key.into(),
            key.request.into(),
            serde_json::json!(result).to_string().into(),
            instant_value(self.now),
        ];
        self.execute(sql!("ledger/mysql/insert_request.sql"), values)
            .await?;
        Ok(())
    }
}

/// What a request created at an instant or later.
pub(super) async fn earlier<T: DeserializeOwned>(
    connection: &mut impl Queryable,
    key: &RequestKey,
    oldest: Timestamp,
) -> Result<Option<T>, Fault> {
    let sql = sql!("ledger/mysql/request.sql");
    let values = (&key.key[..], instant_value(oldest));
    let found: Option<Row> = connection.exec_first(sql, values).await?;
    let Some(mut row) = found else {
        return Ok(None);
    };
    let (request, result): (Vec<u8>, String) = (column(&mut row, 0)?, column(&mut row, 1)?);
    Ok(Some(repeated(key, &request, &result)?))
}

pub(super) async fn head(connection: &mut impl Queryable) -> Result<Head, Fault> {
    let sql = sql!("ledger/mysql/read_head.sql");
    let row: Option<Row> = connection.exec_first(sql, ()).await?;
    let mut row = row.ok_or_else(|| Malformed("the table meta is empty".into()))?;
    Ok(Head {
        seq: column(&mut row, 0)?,
        hash: column(&mut row, 1)?,
    })
}

pub(super) async fn each_entry(
    connection: &mut Conn,
    from: u64,
    limit: Option<u32>,
    visit: &mut (dyn FnMut(Entry) + Send),
) -> Result<(), Fault> {
    let sql = sql!("ledger/mysql/each_entry.sql");
    let limit = limit.map_or(u64::MAX, u64::from);
    let mut visit_row = |mut row: Row| {
        let row = EntryRow {
            seq: column(&mut row, 0)?,
            at: instant(&mut row, 1).ok(),
            actor: column(&mut row, 2)?,
            kind: column(&mut row, 3)?,
            body: column(&mut row, 4)?,
            previous: column(&mut row, 5)?,
            hash: column(&mut row, 6)?,
        };
        visit(row.entry());
        Ok(())
    };
    each_row(connection, sql, (from, limit), &mut visit_row).await
}
