//! What is left of deleted rows, in MySQL.

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::{column, instant, instant_value};
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, RemainsLedger, RemainsNote};
use crate::sql::sql;

#[async_trait]
impl RemainsLedger for MySql {
    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError> {
        retried!(self, "note what is left on disk", change => put(change, note))
    }

    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError> {
        on_connection!(self, "list what is left on disk", connection => all(connection))
    }
}

async fn put(change: &mut Change<'_>, note: &RemainsNote) -> Result<(), Fault> {
    let values = vec![
        (&note.shard).into(),
        (&note.table).into(),
        instant_value(storable(note.at)?),
        (&note.body).into(),
    ];
    change
        .execute(sql!("ledger/mysql/note_remains.sql"), values)
        .await?;
    Ok(())
}

async fn all(connection: &mut Conn) -> Result<Vec<RemainsNote>, Fault> {
    let rows: Vec<Row> = connection
        .exec(sql!("ledger/mysql/remains.sql"), ())
        .await?;
    let mut notes = Vec::with_capacity(rows.len());
    for mut row in rows {
        notes.push(RemainsNote {
            shard: column(&mut row, 0)?,
            table: column(&mut row, 1)?,
            at: instant(&mut row, 2)?,
            body: column(&mut row, 3)?,
        });
    }
    Ok(notes)
}
