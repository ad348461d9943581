//! Holds in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::{column, instant, instant_value, optional_instant};
use crate::guard::HoldRange;
use crate::ledger::row::{Malformed, scope_columns, scope_of, storable, storable_up};
use crate::ledger::{
    Author, Created, Deactivation, HoldLedger, HoldRecord, LedgerError, NewHold, fact,
};
use crate::sql::sql;

#[async_trait]
impl HoldLedger for MySql {
    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError> {
        retried!(self, "place the hold", change => place_hold(change, hold, by))
    }

    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        retried!(self, "release the hold", change => release_hold(change, id, by, at))
    }

    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError> {
        on_connection!(self, "list the holds", connection => holds(connection, with_history))
    }
}

async fn place_hold(
    change: &mut Change<'_>,
    hold: &NewHold,
    by: Author<'_>,
) -> Result<Created, Fault> {
    if let Some(id) = change.repeated(by.request).await? {
        let is_repeated = true;
        return Ok(Created { id, is_repeated });
    }
    let mut hold = hold.clone();
    hold.created_at = storable(hold.created_at)?;
    hold.range.from = hold.range.from.map(storable).transpose()?;
    hold.range.until = hold.range.until.map(storable_up).transpose()?;
    let mut values: Vec<_> = scope_columns(&hold.scope).map(Value::from).into();
    values.extend([
        hold.range.from.map_or(Value::NULL, instant_value),
        hold.range.until.map_or(Value::NULL, instant_value),
        (&hold.reason).into(),
        (&hold.owner).into(),
        instant_value(hold.created_at),
        by.name.into(),
    ]);
    change
        .execute(sql!("ledger/mysql/insert_hold.sql"), values)
        .await?;
    let id = change.inserted_id()?;
    change.remember(by.request, &id).await?;
    let revision = change.raise().await?;
    change
        .record(fact::hold_placed(id, &hold, revision, by.name))
        .await?;
    Ok(Created {
        id,
        is_repeated: false,
    })
}

async fn release_hold(
    change: &mut Change<'_>,
    id: u64,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let values = vec![instant_value(storable(at)?), by.into(), id.into()];
    let sql = sql!("ledger/mysql/release_hold.sql");
    if change.execute(sql, values).await? > 0 {
        let revision = change.raise().await?;
        change.record(fact::hold_released(id, revision, by)).await?;
        return Ok(Deactivation::Done);
    }
    let sql = sql!("ledger/mysql/hold_exists.sql");
    let found: Option<u8> = change.exec_first(sql, (id,)).await?;
    Ok(match found {
        Some(_) => Deactivation::AlreadyInactive,
        None => Deactivation::NotFound,
    })
}

async fn holds(connection: &mut Conn, with_history: bool) -> Result<Vec<HoldRecord>, Fault> {
    let sql = if with_history {
        sql!("ledger/mysql/holds.sql")
    } else {
        sql!("ledger/mysql/active_holds.sql")
    };
    let rows: Vec<Row> = connection.exec(sql, ()).await?;
    let mut holds = Vec::with_capacity(rows.len());
    for mut row in rows {
        let id = column(&mut row, 0)?;
        let names = [
            column(&mut row, 1)?,
            column(&mut row, 2)?,
            column(&mut row, 3)?,
        ];
        let range = HoldRange {
            from: optional_instant(&mut row, 4)?,
            until: optional_instant(&mut row, 5)?,
        };
        let hold = NewHold {
            scope: scope_of(names)
                .ok_or_else(|| Malformed(format!("hold {id} has no single scope")))?,
            range,
            reason: column(&mut row, 6)?,
            owner: column(&mut row, 7)?,
            created_at: instant(&mut row, 8)?,
        };
        holds.push(HoldRecord {
            id,
            hold,
            created_by: column(&mut row, 9)?,
            released: optional_instant(&mut row, 10)?.zip(column(&mut row, 11)?),
        });
    }
    Ok(holds)
}
