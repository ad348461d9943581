//! What is left of deleted rows, in SQLite.

use rusqlite::{Connection, params};

use super::value::instant_at;
use super::{Change, Fault, instant_text};
use crate::ledger::RemainsNote;
use crate::ledger::row::storable;
use crate::sql::sql;

pub(super) fn note(change: &Change<'_>, note: &RemainsNote) -> Result<(), Fault> {
    let at = instant_text(storable(note.at)?);
    change.execute(
        sql!("ledger/sqlite/note_remains.sql"),
        params![note.shard, note.table, at, note.body],
    )?;
    Ok(())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<RemainsNote>, Fault> {
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
