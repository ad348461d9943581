//! Looks in MySQL.

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::{column, instant, instant_value};
use crate::ledger::row::storable;
use crate::ledger::{LedgerError, Look, LookLedger};
use crate::slot::SlotRange;
use crate::sql::sql;

#[async_trait]
impl LookLedger for MySql {
    async fn note_look(&self, look: &Look) -> Result<(), LedgerError> {
        retried!(self, "note what was seen", change => note(change, look))
    }

    async fn looks(&self) -> Result<Vec<Look>, LedgerError> {
        on_connection!(self, "list what was seen", connection => all(connection))
    }
}

async fn note(change: &mut Change<'_>, look: &Look) -> Result<(), Fault> {
    let at = storable(look.at)?;
    let (from, to) = (look.range.from, look.range.to);
    let sql = sql!("ledger/mysql/forget_looks.sql");
    change.execute(sql, vec![to.into(), from.into()]).await?;
    let sql = sql!("ledger/mysql/note_look.sql");
    let values = vec![
        from.into(),
        to.into(),
        instant_value(at),
        (&look.terms).into(),
        (&look.body).into(),
    ];
    change.execute(sql, values).await?;
    Ok(())
}

async fn all(connection: &mut Conn) -> Result<Vec<Look>, Fault> {
    let rows: Vec<Row> = connection.exec(sql!("ledger/mysql/looks.sql"), ()).await?;
    let mut looks = Vec::with_capacity(rows.len());
    for mut row in rows {
        looks.push(Look {
            range: SlotRange {
                from: column(&mut row, 0)?,
                to: column(&mut row, 1)?,
            },
            at: instant(&mut row, 2)?,
            terms: column(&mut row, 3)?,
            body: column(&mut row, 4)?,
        });
    }
    Ok(looks)
}
