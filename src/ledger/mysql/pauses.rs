//! Pauses in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::{column, instant, instant_value, optional_instant};
use crate::guard::PauseScope;
use crate::ledger::row::{pause_key, pause_scope, storable};
use crate::ledger::{
    Author, Created, Deactivation, LedgerError, NewPause, PauseLedger, PauseRecord, fact,
};
use crate::sql::sql;

#[async_trait]
impl PauseLedger for MySql {
    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError> {
        retried!(self, "begin the pause", change => begin(change, pause, by))
    }

    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        retried!(self, "end the pause", change => resume(change, scope, by, at))
    }

    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        retried!(self, "end the pause", change => end_pause(change, id, by, at))
    }

    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError> {
        on_connection!(self, "list the pauses", connection => pauses(connection, with_history))
    }
}

async fn begin(
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

async fn resume(
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

async fn end_pause(
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

async fn pauses(connection: &mut Conn, with_history: bool) -> Result<Vec<PauseRecord>, Fault> {
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
