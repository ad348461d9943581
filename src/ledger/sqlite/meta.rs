//! The schema, the revision and the time, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::Sqlite;
use super::fault::Fault;
use super::migrate::{applied_migrations, migrate};
use super::value::{instant, instant_text, unsigned};
use crate::ledger::{Ledger, LedgerError, migrations};
use crate::sql::sql;

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
        self.read("read its revision", revision).await
    }

    async fn now(&self) -> Result<Timestamp, LedgerError> {
        self.read("tell the time", now).await
    }

    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError> {
        self.read("read its revision", move |connection| {
            revision_at(connection, at)
        })
        .await
    }
}

fn now(connection: &Connection) -> Result<Timestamp, Fault> {
    let sql = sql!("ledger/sqlite/now.sql");
    let text: String = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(instant(&text)?)
}

fn revision(connection: &Connection) -> Result<u64, Fault> {
    let sql = sql!("ledger/sqlite/read_revision.sql");
    Ok(unsigned(connection.query_row(sql, (), |row| row.get(0))?)?)
}

fn revision_at(connection: &Connection, at: Timestamp) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/sqlite/revision_at.sql");
    let revision: Option<i64> = connection.query_row(sql, [instant_text(at)], |row| row.get(0))?;
    Ok(revision.map(unsigned).transpose()?)
}
