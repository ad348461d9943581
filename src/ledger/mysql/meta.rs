//! The schema, the revision and the time, in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::MySql;
use super::fault::Fault;
use super::limit::NO_LIMIT;
use super::migrate::applied_migrations;
use super::run::on_connection;
use super::value::{instant, instant_value};
use crate::ledger::row::{Malformed, whole_microseconds};
use crate::ledger::{Ledger, LedgerError, migrations};
use crate::sql::sql;

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
        on_connection!(self, "read its revision", connection => revision(connection))
    }

    async fn now(&self) -> Result<Timestamp, LedgerError> {
        on_connection!(self, "tell the time", connection => now(connection))
    }

    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError> {
        on_connection!(self, "read its revision", connection => revision_at(connection, at))
    }
}

pub(super) async fn now(connection: &mut Conn) -> Result<Timestamp, Fault> {
    let row: Option<Row> = connection
        .exec_first(sql!("ledger/mysql/now.sql"), ())
        .await?;
    let mut row = row.ok_or_else(|| Malformed("the server tells no time".into()))?;
    Ok(instant(&mut row, 0)?)
}

async fn revision(connection: &mut Conn) -> Result<u64, Fault> {
    let revision = connection
        .exec_first(sql!("ledger/mysql/read_revision.sql"), ())
        .await?;
    Ok(revision.ok_or_else(|| Malformed("the table meta is empty".into()))?)
}

async fn revision_at(connection: &mut Conn, at: Timestamp) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/mysql/revision_at.sql");
    let at = instant_value(whole_microseconds(at));
    let latest: Option<Option<u64>> = connection.exec_first(sql, (at,)).await?;
    Ok(latest.flatten())
}
