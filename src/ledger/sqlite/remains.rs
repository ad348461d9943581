//! What is left of deleted rows, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::value::{instant_at, instant_text};
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, RemainsLedger, RemainsNote};
use crate::sql::sql;

#[async_trait]
impl RemainsLedger for Sqlite {
    async fn note_remains(&self, note: &RemainsNote) -> Result<(), LedgerError> {
        let note = note.clone();
        self.write("note what is left on disk", move |change| {
            put(change, &note)
        })
        .await
    }

    async fn remains(&self) -> Result<Vec<RemainsNote>, LedgerError> {
        self.read("list what is left on disk", all).await
    }
}

fn put(change: &Change<'_>, note: &RemainsNote) -> Result<(), Fault> {
    let at = instant_text(storable(note.at)?);
    change.execute(
        sql!("ledger/sqlite/note_remains.sql"),
        params![note.shard, note.table, at, note.body],
    )?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<RemainsNote>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/remains.sql"))?;
    let mut rows = statement.query(())?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        notes.push(RemainsNote {
            shard: row.get(0)?,
            table: row.get(1)?,
            at: instant_at(row, 2)?,
            body: row.get(3)?,
        });
    }
    Ok(notes)
}
