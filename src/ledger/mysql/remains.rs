//! What is left of deleted rows, in MySQL.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::value::{column, instant, instant_value};
use super::{Change, Fault};
use crate::ledger::RemainsNote;
use crate::ledger::row::storable;
use crate::sql::sql;

pub(super) async fn note(change: &mut Change<'_>, note: &RemainsNote) -> Result<(), Fault> {
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

pub(super) async fn all(connection: &mut Conn) -> Result<Vec<RemainsNote>, Fault> {
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
