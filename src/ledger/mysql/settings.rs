//! Settings in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::instant_value;
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, SettingsLedger, fact};
use crate::sql::sql;

#[async_trait]
impl SettingsLedger for MySql {
    async fn note_settings(
        &self,
        body: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        retried!(self, "note the settings", change => note_settings(change, body, by, at))
    }

    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError> {
        on_connection!(self, "read the settings", connection => settings_at(connection, revision))
    }

    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        on_connection!(self, "read the settings", connection => settings_within(connection, first, last))
    }
}

async fn note_settings(
    change: &mut Change<'_>,
    body: &str,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    let revision = change.revision();
    if settings_at(&mut **change, revision).await?.as_deref() == Some(body) {
        return Ok(false);
    }
    let revision = change.raise().await?;
    let values = vec![
        revision.into(),
        body.into(),
        instant_value(storable(at)?),
        by.into(),
    ];
    change
        .execute(sql!("ledger/mysql/insert_settings.sql"), values)
        .await?;
    change
        .record(fact::settings_noted(body, revision, by))
        .await?;
    Ok(true)
}

async fn settings_at(
    connection: &mut impl Queryable,
    revision: u64,
) -> Result<Option<String>, Fault> {
    let sql = sql!("ledger/mysql/settings_at.sql");
    Ok(connection.exec_first(sql, (revision,)).await?)
}

async fn settings_within(
    connection: &mut impl Queryable,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, String)>, Fault> {
    let sql = sql!("ledger/mysql/settings_within.sql");
    Ok(connection.exec(sql, (first, last)).await?)
}
