//! Holds in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::change::Change;
use super::fault::Fault;
use super::value::{instant_at, instant_text, optional_instant_at, signed, unsigned};
use super::{Asker, Sqlite};
use crate::guard::HoldRange;
use crate::ledger::row::{Malformed, scope_columns, scope_of, storable, storable_up};
use crate::ledger::{
    Author, Created, Deactivation, HoldLedger, HoldRecord, LedgerError, NewHold, fact,
};
use crate::sql::sql;

#[async_trait]
impl HoldLedger for Sqlite {
    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError> {
        let (hold, by) = (hold.clone(), Asker::from(by));
        self.write("place the hold", move |change| {
            place_hold(change, hold, &by)
        })
        .await
    }

    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let by = by.to_owned();
        self.write("release the hold", move |change| {
            release_hold(change, id, &by, at)
        })
        .await
    }

    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError> {
        self.read("list the holds", move |connection| {
            holds(connection, with_history)
        })
        .await
    }
}

fn place_hold(change: &mut Change<'_>, mut hold: NewHold, by: &Asker) -> Result<Created, Fault> {
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

fn release_hold(
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

fn holds(connection: &Connection, with_history: bool) -> Result<Vec<HoldRecord>, Fault> {
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
