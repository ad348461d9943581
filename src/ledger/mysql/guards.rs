//! Holds and pauses in MySQL.

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::value::{column, instant, instant_value, optional_instant};
use super::{Change, Fault, Malformed};
use crate::guard::{HoldRange, PauseScope};
use crate::ledger::row::{pause_key, pause_scope, scope_columns, scope_of, storable, storable_up};
use crate::ledger::{
    Author, Created, Deactivation, HoldRecord, NewHold, NewPause, PauseRecord, fact,
};
use crate::sql::sql;

pub(super) async fn place_hold(
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

pub(super) async fn release_hold(
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

pub(super) async fn holds(
    connection: &mut Conn,
    with_history: bool,
) -> Result<Vec<HoldRecord>, Fault> {
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

pub(super) async fn pause(
    change: &mut Change<'_>,
    pause: &NewPause,
    by: Author<'_>,
) -> Result<Created, Fault> {
    let earlier = match change.repeated(by.request).await? {
        None => active_pause(change, &pause.scope).await?,
        earlier => earlier,
    };
    if let Some(id) = earlier {
        let is_repeated = true;
        return Ok(Created { id, is_repeated });
    }
    let mut pause = pause.clone();
    pause.created_at = storable(pause.created_at)?;
    let values = vec![
        pause.scope.kind().into(),
        pause.scope.name().map(|name| &**name).into(),
        pause_key(&pause.scope).into(),
        (&pause.reason).into(),
        instant_value(pause.created_at),
        by.name.into(),
    ];
    change
        .execute(sql!("ledger/mysql/insert_pause.sql"), values)
        .await?;
    let id = change.inserted_id()?;
    change.remember(by.request, &id).await?;
    let revision = change.raise().await?;
    change
        .record(fact::paused(id, &pause, revision, by.name))
        .await?;
    Ok(Created {
        id,
        is_repeated: false,
    })
}

pub(super) async fn resume(
    change: &mut Change<'_>,
    scope: &PauseScope,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    let Some(id) = active_pause(change, scope).await? else {
        return Ok(false);
    };
    Ok(end_pause(change, id, by, at).await? == Deactivation::Done)
}

pub(super) async fn end_pause(
    change: &mut Change<'_>,
    id: u64,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let sql = sql!("ledger/mysql/paused_scope.sql");
    let found: Option<Row> = change.exec_first(sql, (id,)).await?;
    let Some(mut row) = found else {
        return Ok(Deactivation::NotFound);
    };
    let kind: String = column(&mut row, 0)?;
    let scope = pause_scope(&kind, column(&mut row, 1)?)?;
    let values = vec![instant_value(storable(at)?), by.into(), id.into()];
    let sql = sql!("ledger/mysql/end_pause.sql");
    if change.execute(sql, values).await? == 0 {
        return Ok(Deactivation::AlreadyInactive);
    }
    let revision = change.raise().await?;
    change
        .record(fact::resumed(id, &scope, revision, by))
        .await?;
    Ok(Deactivation::Done)
}

async fn active_pause(change: &mut Change<'_>, scope: &PauseScope) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/mysql/active_pause.sql");
    Ok(change.exec_first(sql, (&pause_key(scope)[..],)).await?)
}

pub(super) async fn pauses(
    connection: &mut Conn,
    with_history: bool,
) -> Result<Vec<PauseRecord>, Fault> {
    let sql = if with_history {
        sql!("ledger/mysql/pauses.sql")
    } else {
        sql!("ledger/mysql/active_pauses.sql")
    };
    let rows: Vec<Row> = connection.exec(sql, ()).await?;
    let mut pauses = Vec::with_capacity(rows.len());
    for mut row in rows {
        let kind: String = column(&mut row, 1)?;
        let pause = NewPause {
            scope: pause_scope(&kind, column(&mut row, 2)?)?,
            reason: column(&mut row, 3)?,
            created_at: instant(&mut row, 4)?,
        };
        pauses.push(PauseRecord {
            id: column(&mut row, 0)?,
            pause,
            created_by: column(&mut row, 5)?,
            ended: optional_instant(&mut row, 6)?.zip(column(&mut row, 7)?),
        });
    }
    Ok(pauses)
}
