//! A change under way: it raises the revision and adds to the record, all in one transaction.

use std::ops::Deref;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::ports::Outlet;
use super::value::{instant, instant_text, signed, unsigned};
use crate::audit::{Entry, Fact, Head, seal};
use crate::ledger::RequestKey;
use crate::ledger::fact::Deed;
use crate::ledger::row::{EntryRow, oldest_request, repeated};
use crate::sql::sql;

/// Nobody else writes while it is under way.
pub(super) struct Change<'t> {
    transaction: Transaction<'t>,
    revision: u64,
    head: Head,
    now: Timestamp,
}

impl Deref for Change<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl<'t> Change<'t> {
    pub(super) fn begin(transaction: Transaction<'t>) -> Result<Self, Fault> {
        let sql = sql!("ledger/sqlite/begin_change.sql");
        let (revision, seq, hash, now): (_, _, _, String) =
            transaction.query_row(sql, (), |row| row.try_into())?;
        let (revision, seq) = (unsigned(revision)?, unsigned(seq)?);
        let now = instant(&now)?;
        Ok(Self {
            transaction,
            revision,
            head: Head { seq, hash },
            now,
        })
    }

    pub(super) fn commit(self) -> Result<(), Fault> {
        Ok(self.transaction.commit()?)
    }

    /// The revision that holds, or, after [`Change::raise`], that will.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The time at which the change began, by the clock of the database.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Raises the revision: once in a change.
    pub(super) fn raise(&mut self) -> Result<u64, Fault> {
        self.revision = self.revision.saturating_add(1);
        let revision = signed(self.revision)?;
        self.execute(sql!("ledger/sqlite/raise_revision.sql"), [revision])?;
        let values = params![revision, instant_text(self.now)];
        self.execute(sql!("ledger/sqlite/insert_revision.sql"), values)?;
        Ok(self.revision)
    }

    /// Adds an entry to the hash chain.
    pub(super) fn record(&mut self, deed: Deed) -> Result<(), Fault> {
        let fact = Fact {
            at: self.now,
            actor: deed.actor,
            kind: deed.kind.into(),
            body: deed.body,
        };
        let entry = seal(&self.head, fact)?;
        let values = params![
            signed(entry.seq)?,
            instant_text(entry.fact.at),
            entry.fact.actor,
            entry.fact.kind,
            crate::audit::canonical(&entry.fact.body)?,
            entry.previous,
            entry.hash,
        ];
        self.prepare_cached(sql!("ledger/sqlite/insert_entry.sql"))?
            .execute(values)?;
        let values = params![signed(entry.seq)?, entry.hash];
        self.prepare_cached(sql!("ledger/sqlite/move_head.sql"))?
            .execute(values)?;
        self.head = entry.head();
        Ok(())
    }

    /// What the same request created before, if it came before.
    pub(super) fn repeated<T: DeserializeOwned>(
        &self,
        key: Option<&RequestKey>,
    ) -> Result<Option<T>, Fault> {
        let Some(key) = key else { return Ok(None) };
        let oldest = oldest_request(self.now);
        let sql = sql!("ledger/sqlite/forget_requests.sql");
        self.execute(sql, [instant_text(oldest)])?;
        earlier(self, key, oldest)
    }

    /// Remembers what a request has created.
    pub(super) fn remember(
        &self,
        key: Option<&RequestKey>,
        result: &impl Serialize,
    ) -> Result<(), Fault> {
        let Some(key) = key else { return Ok(()) };
        let result = serde_json::json!(result).to_string();
        let values = params![key.key, key.request, result, instant_text(self.now)];
        self.execute(sql!("ledger/sqlite/insert_request.sql"), values)?;
        Ok(())
    }
}

/// What a request created at an instant or later.
pub(super) fn earlier<T: DeserializeOwned>(
    connection: &Connection,
    key: &RequestKey,
    oldest: Timestamp,
) -> Result<Option<T>, Fault> {
    let sql = sql!("ledger/sqlite/request.sql");
    let found: Option<([u8; 32], String)> = connection
        .query_row(sql, params![key.key, instant_text(oldest)], |row| {
            row.try_into()
        })
        .optional()?;
    Ok(match found {
        Some((request, result)) => Some(repeated(key, &request, &result)?),
        None => None,
    })
}

pub(super) fn head(connection: &Connection) -> Result<Head, Fault> {
    let sql = sql!("ledger/sqlite/read_head.sql");
    let (seq, hash) = connection.query_row(sql, (), |row| row.try_into())?;
    Ok(Head {
        seq: unsigned(seq)?,
        hash,
    })
}

pub(super) fn each_entry(
    connection: &Connection,
    from: u64,
    limit: Option<u32>,
    outlet: &mut Outlet<Entry>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/each_entry.sql"))?;
    // SQLite takes a negative limit for none.
    let limit = limit.map_or(-1, i64::from);
    let mut rows = statement.query([signed(from)?, limit])?;
    while let Some(row) = rows.next()? {
        let row = EntryRow {
            seq: unsigned(row.get(0)?)?,
            at: instant(&row.get::<_, String>(1)?).ok(),
            actor: row.get(2)?,
            kind: row.get(3)?,
            body: row.get(4)?,
            previous: row.get(5)?,
            hash: row.get(6)?,
        };
        outlet.push(row.entry())?;
    }
    Ok(())
}
