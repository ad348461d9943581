//! Cycles in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::value::{instant_at, instant_text, optional_instant_at, signed, unsigned};
use crate::ledger::row::{slot_of, storable};
use crate::ledger::{
    CYCLE_LEASE, CycleLedger, CycleRecord, CycleStart, Intended, LedgerError, fact,
};
use crate::slot::SlotRange;
use crate::sql::sql;

#[async_trait]
impl CycleLedger for Sqlite {
    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        let start = start.clone();
        self.write("record the cycle", move |change| begin(change, &start))
            .await
    }

    async fn renew_cycle(
        &self,
        id: &str,
        revision: u64,
        rules_digest: &str,
    ) -> Result<Intended, LedgerError> {
        let (id, rules_digest) = (id.to_owned(), rules_digest.to_owned());
        self.write("renew the cycle", move |change| {
            renew(change, &id, revision, &rules_digest)
        })
        .await
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        let (id, status) = (id.to_owned(), status.to_owned());
        self.write("record how the cycle ended", move |change| {
            end(change, &id, &status, at)
        })
        .await
    }

    async fn cycles_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CycleRecord>, LedgerError> {
        let before = before.map(str::to_owned);
        self.read("list the cycles", move |connection| {
            page(connection, before.as_deref(), limit)
        })
        .await
    }

    async fn cycle(&self, id: &str) -> Result<Option<CycleRecord>, LedgerError> {
        let id = id.to_owned();
        self.read("read the cycle", move |connection| one(connection, &id))
            .await
    }

    async fn slots_done(&self, day: &str) -> Result<Vec<SlotRange>, LedgerError> {
        let day = day.to_owned();
        self.read("list the slots", move |connection| {
            slots_done(connection, &day)
        })
        .await
    }

    async fn last_success(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.read("ask for the last success", last_success).await
    }
}

fn begin(change: &mut Change<'_>, start: &CycleStart) -> Result<(), Fault> {
    let slot = start.slot.as_ref();
    let values = params![
        start.id,
        instant_text(storable(start.started_at)?),
        instant_text(storable(start.as_of)?),
        start.rules_digest,
        signed(start.revision)?,
        start.kind,
        start.plan_digest,
        slot.map(|(day, _)| day),
        slot.map(|(_, range)| signed(range.from)).transpose()?,
        slot.map(|(_, range)| signed(range.to)).transpose()?,
        start.holder,
        signed(start.lease_token)?,
        start.asked,
    ];
    change.execute(sql!("ledger/sqlite/begin_cycle.sql"), values)?;
    change.record(fact::cycle::begun(start))
}

fn end(change: &mut Change<'_>, id: &str, status: &str, at: Timestamp) -> Result<(), Fault> {
    let values = params![instant_text(storable(at)?), status, id];
    if change.execute(sql!("ledger/sqlite/end_cycle.sql"), values)? == 0 {
        return Err(not_open(id));
    }
    let holder = one(change, id)?.map(|cycle| cycle.start.holder);
    change.record(fact::cycle::ended(
        id,
        status,
        at,
        &holder.unwrap_or_default(),
    ))
}

fn renew(
    change: &mut Change<'_>,
    id: &str,
    revision: u64,
    rules_digest: &str,
) -> Result<Intended, Fault> {
    let cycle = begun(change, id)?;
    if !is_held(change, CYCLE_LEASE, cycle.lease_token)? {
        return Ok(Intended::LeaseLost);
    }
    if revision != change.revision() {
        return Ok(Intended::Stale);
    }
    let values = params![signed(revision)?, rules_digest, id];
    if change.execute(sql!("ledger/sqlite/renew_cycle.sql"), values)? == 0 {
        return Err(not_open(id));
    }
    change.record(fact::cycle::renewed(&cycle, revision, rules_digest))?;
    Ok(Intended::Recorded)
}

pub(super) fn begun(change: &Change<'_>, id: &str) -> Result<CycleStart, Fault> {
    let cycle = one(change, id)?.ok_or_else(|| not_open(id))?;
    Ok(cycle.start)
}

fn not_open(id: &str) -> Fault {
    let what = format!("cycle {id}");
    LedgerError::NotOpen { what }.into()
}

fn page(
    connection: &Connection,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<CycleRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/cycles_before.sql"))?;
    let mut rows = statement.query(params![before, limit])?;
    let mut cycles = Vec::new();
    while let Some(row) = rows.next()? {
        cycles.push(record(row)?);
    }
    Ok(cycles)
}

pub(super) fn one(connection: &Connection, id: &str) -> Result<Option<CycleRecord>, Fault> {
    let mut statement = connection.prepare_cached(sql!("ledger/sqlite/cycle.sql"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(record).transpose()
}

fn record(row: &Row<'_>) -> Result<CycleRecord, Fault> {
    let place = |column| -> Result<Option<u64>, Fault> {
        let place: Option<i64> = row.get(column)?;
        Ok(place.map(unsigned).transpose()?)
    };
    let start = CycleStart {
        id: row.get(0)?,
        started_at: instant_at(row, 1)?,
        as_of: instant_at(row, 2)?,
        rules_digest: row.get(3)?,
        revision: unsigned(row.get(4)?)?,
        kind: row.get(5)?,
        plan_digest: row.get(6)?,
        slot: slot_of(row.get(7)?, place(8)?, place(9)?),
        holder: row.get(10)?,
        lease_token: unsigned(row.get(11)?)?,
        asked: row.get(14)?,
    };
    let end = optional_instant_at(row, 12)?.zip(row.get(13)?);
    Ok(CycleRecord { start, end })
}

fn slots_done(connection: &Connection, day: &str) -> Result<Vec<SlotRange>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/slots_done.sql"))?;
    let mut rows = statement.query([day])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let (from, to) = (unsigned(row.get(0)?)?, unsigned(row.get(1)?)?);
        slots.push(SlotRange { from, to });
    }
    Ok(slots)
}

fn last_success(connection: &Connection) -> Result<Option<Timestamp>, Fault> {
    let sql = sql!("ledger/sqlite/last_success.sql");
    connection.query_row(sql, (), |row| Ok(optional_instant_at(row, 0)))?
}
