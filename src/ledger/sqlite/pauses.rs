//! Pauses in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::fault::Fault;
use super::value::{instant_at, instant_text, optional_instant_at, signed, unsigned};
use super::{Asker, Sqlite};
use crate::guard::PauseScope;
use crate::ledger::row::{pause_key, pause_scope, storable};
use crate::ledger::{
    Author, Created, Deactivation, LedgerError, NewPause, PauseLedger, PauseRecord, fact,
};
use crate::sql::sql;

#[async_trait]
impl PauseLedger for Sqlite {
    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError> {
        let (pause, by) = (pause.clone(), Asker::from(by));
        self.write("begin the pause", move |change| begin(change, pause, &by))
            .await
    }

    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (scope, by) = (scope.clone(), by.to_owned());
        self.write("end the pause", move |change| {
            resume(change, &scope, &by, at)
        })
        .await
    }

    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let by = by.to_owned();
        self.write("end the pause", move |change| {
            end_pause(change, id, &by, at)
        })
        .await
    }

    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError> {
        self.read("list the pauses", move |connection| {
            pauses(connection, with_history)
        })
        .await
    }
}

fn begin(change: &mut Change<'_>, mut pause: NewPause, by: &Asker) -> Result<Created, Fault> {
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

fn resume(
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

fn end_pause(
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

fn pauses(connection: &Connection, with_history: bool) -> Result<Vec<PauseRecord>, Fault> {
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
