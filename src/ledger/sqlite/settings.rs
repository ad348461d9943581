//! Settings in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::value::{instant_text, signed, unsigned};
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, SettingsLedger, fact};
use crate::sql::sql;

#[async_trait]
impl SettingsLedger for Sqlite {
    async fn note_settings(
        &self,
        body: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (body, by) = (body.to_owned(), by.to_owned());
        self.write("note the settings", move |change| {
            note_settings(change, &body, &by, at)
        })
        .await
    }

    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError> {
        self.read("read the settings", move |connection| {
            settings_at(connection, revision)
        })
        .await
    }

    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        self.read("read the settings", move |connection| {
            settings_within(connection, first, last)
        })
        .await
    }
}

fn note_settings(
    change: &mut Change<'_>,
    body: &str,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    if settings_at(change, change.revision())?.as_deref() == Some(body) {
        return Ok(false);
    }
    let revision = change.raise()?;
    let values = params![signed(revision)?, body, instant_text(storable(at)?), by];
    change.execute(sql!("ledger/sqlite/insert_settings.sql"), values)?;
    change.record(fact::settings_noted(body, revision, by))?;
    Ok(true)
}

fn settings_at(connection: &Connection, revision: u64) -> Result<Option<String>, Fault> {
    let sql = sql!("ledger/sqlite/settings_at.sql");
    let body = connection.query_row(sql, [signed(revision)?], |row| row.get(0));
    Ok(body.optional()?)
}

fn settings_within(
    connection: &Connection,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, String)>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/settings_within.sql"))?;
    let mut rows = statement.query([signed(first)?, signed(last)?])?;
    let mut settings = Vec::new();
    while let Some(row) = rows.next()? {
        settings.push((unsigned(row.get(0)?)?, row.get(1)?));
    }
    Ok(settings)
}
