//! Looks in SQLite.

use rusqlite::{Connection, params};

use super::value::instant_at;
use super::{Change, Fault, instant_text, signed, unsigned};
use crate::ledger::Look;
use crate::ledger::row::storable;
use crate::slot::SlotRange;
use crate::sql::sql;

pub(super) fn note(change: &Change<'_>, look: &Look) -> Result<(), Fault> {
    let at = storable(look.at)?;
    let (from, to) = (signed(look.range.from)?, signed(look.range.to)?);
    change.execute(sql!("ledger/sqlite/forget_looks.sql"), params![to, from])?;
    change.execute(
        sql!("ledger/sqlite/note_look.sql"),
        params![from, to, instant_text(at), look.terms, look.body],
    )?;
    Ok(())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Look>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/looks.sql"))?;
    let mut rows = statement.query(())?;
    let mut looks = Vec::new();
    while let Some(row) = rows.next()? {
        looks.push(Look {
            range: SlotRange {
                from: unsigned(row.get(0)?)?,
                to: unsigned(row.get(1)?)?,
            },
            at: instant_at(row, 2)?,
            terms: row.get(3)?,
            body: row.get(4)?,
        });
    }
    Ok(looks)
}
