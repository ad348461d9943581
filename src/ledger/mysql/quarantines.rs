//! Partitions in quarantine, in MySQL.

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::limit::LIMIT;
use super::run::{in_change, on_connection, retried};
use super::value::{column, instant, instant_value};
use crate::ledger::row::{quarantine_state, storable};
use crate::ledger::{
    CYCLE_LEASE, Intended, LedgerError, NewQuarantine, QuarantineChange, QuarantineLedger,
    QuarantineRecord, QuarantineState, fact,
};
use crate::sql::sql;

#[async_trait]
impl QuarantineLedger for MySql {
    async fn begin_quarantine(
        &self,
        quarantines: &[NewQuarantine],
        by: &str,
    ) -> Result<(), LedgerError> {
        in_change!(self, "record the quarantine", Some(LIMIT), change => begin(change, quarantines, by))
    }

    async fn change_quarantine(
        &self,
        to: &QuarantineChange,
        by: &str,
    ) -> Result<Intended, LedgerError> {
        retried!(self, "record what becomes of the quarantine", change => move_on(change, to, by))
    }

    async fn quarantines(&self, with_history: bool) -> Result<Vec<QuarantineRecord>, LedgerError> {
        on_connection!(self, "list the quarantine", connection => all(connection, with_history))
    }
}

async fn begin(
    change: &mut Change<'_>,
    quarantines: &[NewQuarantine],
    by: &str,
) -> Result<(), Fault> {
    for new in quarantines {
        let began_at = instant_value(storable(new.began_at)?);
        let values = vec![
            Value::from(&new.cycle),
            new.step.into(),
            (&new.partition).into(),
            (&new.shard).into(),
            (&new.table).into(),
            (&new.kept_in).into(),
            began_at.clone(),
            instant_value(storable(new.keep_until)?),
            QuarantineState::Moving.as_str().into(),
            0.into(),
            0.into(),
            began_at,
            by.into(),
        ];
        change
            .execute(sql!("ledger/mysql/insert_quarantine.sql"), values)
            .await?;
        change.record(fact::quarantine::begun(new, by)).await?;
    }
    Ok(())
}

async fn move_on(
    change: &mut Change<'_>,
    to: &QuarantineChange,
    by: &str,
) -> Result<Intended, Fault> {
    if !is_held(change, CYCLE_LEASE, to.lease_token).await? {
        return Ok(Intended::LeaseLost);
    }
    if to
        .revision
        .is_some_and(|revision| revision != change.revision())
    {
        return Ok(Intended::Stale);
    }
    let values = vec![
        Value::from(to.state.as_str()),
        to.n_rows.into(),
        to.n_bytes.into(),
        instant_value(storable(to.at)?),
        by.into(),
        (&to.cycle).into(),
        to.step.into(),
        (&to.partition).into(),
    ];
    let sql = sql!("ledger/mysql/change_quarantine.sql");
    if change.execute(sql, values).await? == 0 {
        let what = format!("the quarantine of partition {}", to.partition);
        return Err(LedgerError::NotOpen { what }.into());
    }
    change.record(fact::quarantine::changed(to, by)).await?;
    Ok(Intended::Recorded)
}

async fn all(connection: &mut Conn, with_history: bool) -> Result<Vec<QuarantineRecord>, Fault> {
    let sql = sql!("ledger/mysql/quarantines.sql");
    let rows: Vec<Row> = connection.exec(sql, (with_history,)).await?;
    rows.into_iter().map(|mut row| record(&mut row)).collect()
}

fn record(row: &mut Row) -> Result<QuarantineRecord, Fault> {
    let quarantine = NewQuarantine {
        cycle: column(row, 0)?,
        step: column(row, 1)?,
        partition: column(row, 2)?,
        shard: column(row, 3)?,
        table: column(row, 4)?,
        kept_in: column(row, 5)?,
        began_at: instant(row, 6)?,
        keep_until: instant(row, 7)?,
    };
    Ok(QuarantineRecord {
        quarantine,
        state: quarantine_state(&column::<String>(row, 8)?)?,
        n_rows: column(row, 9)?,
        n_bytes: column(row, 10)?,
        changed_at: instant(row, 11)?,
        changed_by: column(row, 12)?,
    })
}
