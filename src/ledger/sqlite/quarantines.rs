//! Partitions in quarantine, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::value::{instant_at, instant_text, signed, unsigned};
use crate::ledger::row::{quarantine_state, storable};
use crate::ledger::{
    CYCLE_LEASE, Intended, LedgerError, NewQuarantine, QuarantineChange, QuarantineLedger,
    QuarantineRecord, QuarantineState, fact,
};
use crate::sql::sql;

#[async_trait]
impl QuarantineLedger for Sqlite {
    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError> {
        let (new, by) = (quarantines.to_vec(), by.to_owned());
        self.write("record the quarantine", move |change| {
            begin(change, &new, &by)
        })
        .await
    }

    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError> {
        let (to, by) = (to.clone(), by.to_owned());
        self.write("record what becomes of the quarantine", move |change| {
            move_on(change, &to, &by)
        })
        .await
    }

    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError> {
        self.read("list the quarantine", move |connection| {
            all(connection, with_history)
        })
        .await
    }
}

fn begin(change: &mut Change<'_>, quarantines: &[NewQuarantine], by: &str) -> Result<(), Fault> {
    for new in quarantines {
        let began_at = instant_text(storable(new.began_at)?);
        let values = params![
            new.cycle,
            new.step,
            new.partition,
            new.shard,
            new.table,
            new.kept_in,
            began_at,
            instant_text(storable(new.keep_until)?),
            QuarantineState::Moving.as_str(),
            0,
            0,
            began_at,
            by,
        ];
        change.execute(sql!("ledger/sqlite/insert_quarantine.sql"), values)?;
        change.record(fact::quarantine::begun(new, by))?;
    }
    Ok(())
}

fn move_on(change: &mut Change<'_>, to: &QuarantineChange, by: &str) -> Result<Intended, Fault> {
    if !is_held(change, CYCLE_LEASE, to.lease_token)? {
        return Ok(Intended::LeaseLost);
    }
    if to
        .revision
        .is_some_and(|revision| revision != change.revision())
    {
        return Ok(Intended::Stale);
    }
    let values = params![
        to.state.as_str(),
        signed(to.n_rows)?,
        signed(to.n_bytes)?,
        instant_text(storable(to.at)?),
        by,
        to.cycle,
        to.step,
        to.partition,
    ];
    if change.execute(sql!("ledger/sqlite/change_quarantine.sql"), values)? == 0 {
        let what = format!("the quarantine of partition {}", to.partition);
        return Err(LedgerError::NotOpen { what }.into());
    }
    change.record(fact::quarantine::changed(to, by))?;
    Ok(Intended::Recorded)
}

fn all(connection: &Connection, with_history: bool) -> Result<Vec<QuarantineRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/quarantines.sql"))?;
    let mut rows = statement.query([with_history])?;
    let mut quarantines = Vec::new();
    while let Some(row) = rows.next()? {
        quarantines.push(record(row)?);
    }
    Ok(quarantines)
}

fn record(row: &Row<'_>) -> Result<QuarantineRecord, Fault> {
    let quarantine = NewQuarantine {
        cycle: row.get(0)?,
        step: row.get(1)?,
        partition: row.get(2)?,
        shard: row.get(3)?,
        table: row.get(4)?,
        kept_in: row.get(5)?,
        began_at: instant_at(row, 6)?,
        keep_until: instant_at(row, 7)?,
    };
    Ok(QuarantineRecord {
        quarantine,
        state: quarantine_state(&row.get::<_, String>(8)?)?,
        n_rows: unsigned(row.get(9)?)?,
        n_bytes: unsigned(row.get(10)?)?,
        changed_at: instant_at(row, 11)?,
        changed_by: row.get(12)?,
    })
}
