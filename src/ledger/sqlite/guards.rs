//! Holds and pauses in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::value::{instant_at, optional_instant_at};
use super::{Asker, Change, Fault, instant_text, signed, unsigned};
use crate::guard::{HoldRange, PauseScope};
use crate::ledger::row::{
    Malformed, pause_key, pause_scope, scope_columns, scope_of, storable, storable_up,
};
use crate::ledger::{Created, Deactivation, HoldRecord, NewHold, NewPause, PauseRecord, fact};
use crate::sql::sql;

pub(super) fn place_hold(
    change: &mut Change<'_>,
    mut hold: NewHold,
    by: &Asker,
) -> Result<Created, Fault> {
    if let Some(id) = change.repeated(by.request.as_ref())? {
        let is_repeated = true;
        return Ok(Created { id, is_repeated });
    }
    hold.created_at = storable(hold.created_at)?;
    hold.range.from = hold.range.from.map(storable).transpose()?;
    hold.range.until = hold.range.until.map(storable_up).transpose()?;
    let [organization, workspace, project] = scope_columns(&hold.scope);
    let values = params![
        organization,
        workspace,
        project,
        hold.range.from.map(instant_text),
        hold.range.until.map(instant_text),
        hold.reason,
        hold.owner,
        instant_text(hold.created_at),
        by.name,
    ];
    change.execute(sql!("ledger/sqlite/insert_hold.sql"), values)?;
    let id = unsigned(change.last_insert_rowid())?;
    change.remember(by.request.as_ref(), &id)?;
    let revision = change.raise()?;
    change.record(fact::hold_placed(id, &hold, revision, &by.name))?;
    Ok(Created {
        id,
        is_repeated: false,
    })
}

pub(super) fn release_hold(
    change: &mut Change<'_>,
    id: u64,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let values = params![instant_text(storable(at)?), by, signed(id)?];
    if change.execute(sql!("ledger/sqlite/release_hold.sql"), values)? > 0 {
        let revision = change.raise()?;
        change.record(fact::hold_released(id, revision, by))?;
        return Ok(Deactivation::Done);
    }
    let mut statement = change.prepare(sql!("ledger/sqlite/hold_exists.sql"))?;
    Ok(if statement.exists([signed(id)?])? {
        Deactivation::AlreadyInactive
    } else {
        Deactivation::NotFound
    })
}

pub(super) fn holds(connection: &Connection, with_history: bool) -> Result<Vec<HoldRecord>, Fault> {
    let mut statement = connection.prepare(if with_history {
        sql!("ledger/sqlite/holds.sql")
    } else {
        sql!("ledger/sqlite/active_holds.sql")
    })?;
    let mut rows = statement.query(())?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next()? {
        let id = unsigned(row.get(0)?)?;
        let scope = scope_of([row.get(1)?, row.get(2)?, row.get(3)?])
            .ok_or_else(|| Malformed(format!("hold {id} has no single scope")))?;
        let range = HoldRange {
            from: optional_instant_at(row, 4)?,
            until: optional_instant_at(row, 5)?,
        };
        let hold = NewHold {
            scope,
            range,
            reason: row.get(6)?,
            owner: row.get(7)?,
            created_at: instant_at(row, 8)?,
        };
        holds.push(HoldRecord {
            id,
            hold,
            created_by: row.get(9)?,
            released: optional_instant_at(row, 10)?.zip(row.get(11)?),
        });
    }
    Ok(holds)
}

pub(super) fn pause(
    change: &mut Change<'_>,
    mut pause: NewPause,
    by: &Asker,
) -> Result<Created, Fault> {
    let earlier = match change.repeated(by.request.as_ref())? {
        None => active_pause(change, &pause.scope)?,
        earlier => earlier,
    };
    if let Some(id) = earlier {
        let is_repeated = true;
        return Ok(Created { id, is_repeated });
    }
    pause.created_at = storable(pause.created_at)?;
    let values = params![
        pause.scope.kind(),
        pause.scope.name(),
        pause_key(&pause.scope),
        pause.reason,
        instant_text(pause.created_at),
        by.name,
    ];
    change.execute(sql!("ledger/sqlite/insert_pause.sql"), values)?;
    let id = unsigned(change.last_insert_rowid())?;
    change.remember(by.request.as_ref(), &id)?;
    let revision = change.raise()?;
    change.record(fact::paused(id, &pause, revision, &by.name))?;
    Ok(Created {
        id,
        is_repeated: false,
    })
}

pub(super) fn resume(
    change: &mut Change<'_>,
    scope: &PauseScope,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    let Some(id) = active_pause(change, scope)? else {
        return Ok(false);
    };
    Ok(end_pause(change, id, by, at)? == Deactivation::Done)
}

pub(super) fn end_pause(
    change: &mut Change<'_>,
    id: u64,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let sql = sql!("ledger/sqlite/paused_scope.sql");
    let found: Option<(String, Option<String>)> = change
        .query_row(sql, [signed(id)?], |row| row.try_into())
        .optional()?;
    let Some((kind, name)) = found else {
        return Ok(Deactivation::NotFound);
    };
    let scope = pause_scope(&kind, name)?;
    let values = params![instant_text(storable(at)?), by, signed(id)?];
    if change.execute(sql!("ledger/sqlite/end_pause.sql"), values)? == 0 {
        return Ok(Deactivation::AlreadyInactive);
    }
    let revision = change.raise()?;
    change.record(fact::resumed(id, &scope, revision, by))?;
    Ok(Deactivation::Done)
}

fn active_pause(connection: &Connection, scope: &PauseScope) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/sqlite/active_pause.sql");
    let id = connection
        .query_row(sql, [pause_key(scope)], |row| row.get(0))
        .optional()?;
    Ok(id.map(unsigned).transpose()?)
}

pub(super) fn pauses(
    connection: &Connection,
    with_history: bool,
) -> Result<Vec<PauseRecord>, Fault> {
    let mut statement = connection.prepare(if with_history {
        sql!("ledger/sqlite/pauses.sql")
    } else {
        sql!("ledger/sqlite/active_pauses.sql")
    })?;
    let mut rows = statement.query(())?;
    let mut pauses = Vec::new();
    while let Some(row) = rows.next()? {
        let pause = NewPause {
            scope: pause_scope(&row.get::<_, String>(1)?, row.get(2)?)?,
            reason: row.get(3)?,
            created_at: instant_at(row, 4)?,
        };
        pauses.push(PauseRecord {
            id: unsigned(row.get(0)?)?,
            pause,
            created_by: row.get(5)?,
            ended: optional_instant_at(row, 6)?.zip(row.get(7)?),
        });
    }
    Ok(pauses)
}
