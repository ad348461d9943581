//! Cycles in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::limit::LIMIT;
use super::run::{in_change, on_connection, retried};
use super::value::{column, instant, instant_value, optional_instant};
use crate::ledger::row::{slot_of, storable};
use crate::ledger::{
    CYCLE_LEASE, CycleLedger, CycleRecord, CycleStart, Intended, LedgerError, fact,
};
use crate::slot::SlotRange;
use crate::sql::sql;

#[async_trait]
impl CycleLedger for MySql {
    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        in_change!(self, "record the cycle", Some(LIMIT), change => begin(change, start))
    }

    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError> {
        retried!(self, "renew the cycle", change => renew(change, id, revision, rules_digest))
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        retried!(self, "record how the cycle ended", change => end(change, id, status, at))
    }

    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError> {
        on_connection!(self, "list the cycles", connection => page(connection, before, limit))
    }

    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError> {
        on_connection!(self, "read the cycle", connection => one(connection, id))
    }

    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError> {
        on_connection!(self, "list the slots", connection => slots_done(connection, day))
    }

    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError> {
        on_connection!(self, "ask for the last success", connection => last_success(connection))
    }
}

async fn begin(change: &mut Change<'_>, start: &CycleStart) -> Result<(), Fault> {
    let slot = start.slot.as_ref();
    let values = vec![
        Value::from(&start.id),
        instant_value(storable(start.started_at)?),
        instant_value(storable(start.as_of)?),
        (&start.rules_digest).into(),
        start.revision.into(),
        (&start.kind).into(),
        (&start.plan_digest).into(),
        slot.map(|(day, _)| day).into(),
        slot.map(|(_, range)| range.from).into(),
        slot.map(|(_, range)| range.to).into(),
        (&start.holder).into(),
        start.lease_token.into(),
        start.asked.as_ref().into(),
    ];
    change
        .execute(sql!("ledger/mysql/begin_cycle.sql"), values)
        .await?;
    change.record(fact::cycle::begun(start)).await?;
    Ok(())
}

async fn end(change: &mut Change<'_>, id: &str, status: &str, at: Timestamp) -> Result<(), Fault> {
    let values = vec![instant_value(storable(at)?), status.into(), id.into()];
    let sql = sql!("ledger/mysql/end_cycle.sql");
    if change.execute(sql, values).await? == 0 {
        return Err(not_open(id));
    }
    let holder = holder(change, id).await?;
    change
        .record(fact::cycle::ended(id, status, at, &holder))
        .await?;
    Ok(())
}

async fn renew(
    change: &mut Change<'_>,
    id: &str,
    revision: u64,
    rules_digest: &str,
) -> Result<Intended, Fault> {
    let cycle = begun(change, id).await?;
    if !is_held(change, CYCLE_LEASE, cycle.lease_token).await? {
        return Ok(Intended::LeaseLost);
    }
    if revision != change.revision() {
        return Ok(Intended::Stale);
    }
    let sql = sql!("ledger/mysql/renew_cycle.sql");
    let values = vec![revision.into(), rules_digest.into(), id.into()];
    if change.execute(sql, values).await? == 0 {
        return Err(not_open(id));
    }
    change
        .record(fact::cycle::renewed(&cycle, revision, rules_digest))
        .await?;
    Ok(Intended::Recorded)
}

pub(super) async fn begun(change: &mut Change<'_>, id: &str) -> Result<CycleStart, Fault> {
    let cycle = one(&mut **change, id).await?.ok_or_else(|| not_open(id))?;
    Ok(cycle.start)
}

fn not_open(id: &str) -> Fault {
    let what = format!("cycle {id}");
    LedgerError::NotOpen { what }.into()
}

pub(super) async fn holder(change: &mut Change<'_>, id: &str) -> Result<String, Fault> {
    let cycle = one(&mut **change, id).await?;
    Ok(cycle.map(|cycle| cycle.start.holder).unwrap_or_default())
}

async fn page(
    connection: &mut Conn,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<CycleRecord>, Fault> {
    let sql = sql!("ledger/mysql/cycles_before.sql");
    let rows: Vec<Row> = connection.exec(sql, (before, before, limit)).await?;
    rows.into_iter().map(|mut row| record(&mut row)).collect()
}

pub(super) async fn one(
    connection: &mut impl Queryable,
    id: &str,
) -> Result<Option<CycleRecord>, Fault> {
    let sql = sql!("ledger/mysql/cycle.sql");
    let row: Option<Row> = connection.exec_first(sql, (id,)).await?;
    row.map(|mut row| record(&mut row)).transpose()
}

fn record(row: &mut Row) -> Result<CycleRecord, Fault> {
    let start = CycleStart {
        id: column(row, 0)?,
        started_at: instant(row, 1)?,
        as_of: instant(row, 2)?,
        rules_digest: column(row, 3)?,
        revision: column(row, 4)?,
        kind: column(row, 5)?,
        plan_digest: column(row, 6)?,
        slot: slot_of(column(row, 7)?, column(row, 8)?, column(row, 9)?),
        holder: column::<Option<_>>(row, 10)?.unwrap_or_default(),
        lease_token: column(row, 11)?,
        asked: column(row, 14)?,
    };
    let end = optional_instant(row, 12)?.zip(column(row, 13)?);
    Ok(CycleRecord { start, end })
}

async fn slots_done(connection: &mut Conn, day: &str) -> Result<Vec<SlotRange>, Fault> {
    let sql = sql!("ledger/mysql/slots_done.sql");
    let rows: Vec<Row> = connection.exec(sql, (day,)).await?;
    let mut slots = Vec::with_capacity(rows.len());
    for mut row in rows {
        let (from, to) = (column(&mut row, 0)?, column(&mut row, 1)?);
        slots.push(SlotRange { from, to });
    }
    Ok(slots)
}

async fn last_success(connection: &mut Conn) -> Result<Option<Timestamp>, Fault> {
    let sql = sql!("ledger/mysql/last_success.sql");
    let row: Option<Row> = connection.exec_first(sql, ()).await?;
    let at = row
        .map(|mut row| optional_instant(&mut row, 0))
        .transpose()?;
    Ok(at.flatten())
}
