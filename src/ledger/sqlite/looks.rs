//! Looks in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::value::{instant_at, instant_text, signed, unsigned};
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, Look, LookLedger};
use crate::slot::SlotRange;
use crate::sql::sql;

#[async_trait]
impl LookLedger for Sqlite {
    async fn note_look(&self, look: &Look) -> Result<(), LedgerError> {
        let look = look.clone();
        self.write("note what was seen", move |change| note(change, &look))
            .await
    }

    async fn looks(&self) -> Result<Vec<Look>, LedgerError> {
        self.read("list what was seen", all).await
    }
}

fn note(change: &Change<'_>, look: &Look) -> Result<(), Fault> {
    let at = storable(look.at)?;
    let (from, to) = (signed(look.range.from)?, signed(look.range.to)?);
    change.execute(sql!("ledger/sqlite/forget_looks.sql"), params![to, from])?;
    change.execute(
        sql!("ledger/sqlite/note_look.sql"),
        params![from, to, instant_text(at), look.terms, look.body],
    )?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<Look>, Fault> {
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
