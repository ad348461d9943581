//! Cycles and their steps in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::leases::is_held;
use super::value::{instant_at, optional_instant_at};
use super::{Change, Fault, instant_text, signed, unsigned};
use crate::ledger::row::{slot_of, storable};
use crate::ledger::{
    CYCLE_LEASE, CycleRecord, CycleStart, DeletedRows, Intended, LedgerError, StepIntent,
    StepOutcome, StepRecord, fact,
};
use crate::plan::StepCost;
use crate::slot::SlotRange;
use crate::sql::sql;

pub(super) fn begin(change: &mut Change<'_>, start: &CycleStart) -> Result<(), Fault> {
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
    change.record(fact::cycle_begun(start))
}

pub(super) fn end(
    change: &mut Change<'_>,
    id: &str,
    status: &str,
    at: Timestamp,
) -> Result<(), Fault> {
    let values = params![instant_text(storable(at)?), status, id];
    if change.execute(sql!("ledger/sqlite/end_cycle.sql"), values)? == 0 {
        return Err(not_open(id));
    }
    let holder = one(change, id)?.map(|cycle| cycle.start.holder);
    change.record(fact::cycle_ended(
        id,
        status,
        at,
        &holder.unwrap_or_default(),
    ))
}

pub(super) fn renew(
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
    change.record(fact::cycle_renewed(&cycle, revision, rules_digest))?;
    Ok(Intended::Recorded)
}

pub(super) fn intend(change: &mut Change<'_>, intent: &StepIntent) -> Result<Intended, Fault> {
    let cycle = begun(change, &intent.cycle)?;
    if !is_held(change, CYCLE_LEASE, cycle.lease_token)? {
        return Ok(Intended::LeaseLost);
    }
    if cycle.revision != change.revision() {
        return Ok(Intended::Stale);
    }
    let values = params![
        intent.cycle,
        intent.step,
        intent.shard,
        intent.table,
        intent.method,
        intent.shape,
        intent.query_id,
        intent.statement_digest,
        signed(intent.n_workspaces)?,
        signed(intent.rows_due)?,
        signed(intent.n_parts)?,
        intent.predicate,
        intent.bounds,
        instant_text(storable(intent.intended_at)?),
    ];
    change.execute(sql!("ledger/sqlite/intend_step.sql"), values)?;
    change.record(fact::step_intended(intent, &cycle.holder))?;
    Ok(Intended::Recorded)
}

pub(super) fn finish(change: &mut Change<'_>, outcome: &StepOutcome) -> Result<(), Fault> {
    let values = params![
        outcome.verdict,
        outcome.rows_left.map(signed).transpose()?,
        outcome.error,
        signed(outcome.duration_ms)?,
        instant_text(storable(outcome.finished_at)?),
        outcome.cycle,
        outcome.step,
    ];
    if change.execute(sql!("ledger/sqlite/finish_step.sql"), values)? == 0 {
        let what = format!("step {} of cycle {}", outcome.step, outcome.cycle);
        return Err(LedgerError::NotOpen { what }.into());
    }
    let holder = one(change, &outcome.cycle)?.map(|cycle| cycle.start.holder);
    change.record(fact::step_finished(outcome, &holder.unwrap_or_default()))
}

fn begun(change: &Change<'_>, id: &str) -> Result<CycleStart, Fault> {
    let cycle = one(change, id)?.ok_or_else(|| not_open(id))?;
    Ok(cycle.start)
}

fn not_open(id: &str) -> Fault {
    let what = format!("cycle {id}");
    LedgerError::NotOpen { what }.into()
}

pub(super) fn before(
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

pub(super) fn slots_done(connection: &Connection, day: &str) -> Result<Vec<SlotRange>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/slots_done.sql"))?;
    let mut rows = statement.query([day])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let (from, to) = (unsigned(row.get(0)?)?, unsigned(row.get(1)?)?);
        slots.push(SlotRange { from, to });
    }
    Ok(slots)
}

pub(super) fn last_success(connection: &Connection) -> Result<Option<Timestamp>, Fault> {
    let sql = sql!("ledger/sqlite/last_success.sql");
    connection.query_row(sql, (), |row| Ok(optional_instant_at(row, 0)))?
}

pub(super) fn deleted_since(
    connection: &Connection,
    since: Timestamp,
) -> Result<Vec<DeletedRows>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/deleted_since.sql"))?;
    let mut rows = statement.query([instant_text(since)])?;
    let mut deleted = Vec::new();
    while let Some(row) = rows.next()? {
        deleted.push(DeletedRows {
            shard: row.get(0)?,
            table: row.get(1)?,
            n_rows: unsigned(row.get(2)?)?,
        });
    }
    Ok(deleted)
}

pub(super) fn step_costs(
    connection: &Connection,
    since: Timestamp,
) -> Result<Vec<StepCost>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/step_costs.sql"))?;
    let mut rows = statement.query([instant_text(since)])?;
    let mut costs = Vec::new();
    while let Some(row) = rows.next()? {
        costs.push(StepCost {
            shard: row.get(0)?,
            table: row.get(1)?,
            method: row.get(2)?,
            n_parts: unsigned(row.get(3)?)?,
            n_rows: unsigned(row.get(4)?)?,
            duration_ms: unsigned(row.get(5)?)?,
        });
    }
    Ok(costs)
}

pub(super) fn steps(connection: &Connection, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/steps.sql"))?;
    let mut rows = statement.query([cycle])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step(row)?);
    }
    Ok(steps)
}

pub(super) fn unsettled(
    connection: &Connection,
    token: u64,
    since: Timestamp,
) -> Result<Vec<StepRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/unsettled_steps.sql"))?;
    let mut rows = statement.query(params![instant_text(since), signed(token)?])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step(row)?);
    }
    Ok(steps)
}

pub(super) fn refused(connection: &Connection, since: Timestamp) -> Result<Vec<StepRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/refused_steps.sql"))?;
    let mut rows = statement.query(params![instant_text(since), StepOutcome::REFUSED])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step(row)?);
    }
    Ok(steps)
}

fn step(row: &Row<'_>) -> Result<StepRecord, Fault> {
    let intent = StepIntent {
        cycle: row.get(0)?,
        step: row.get(1)?,
        shard: row.get(2)?,
        table: row.get(3)?,
        method: row.get(4)?,
        shape: row.get(5)?,
        query_id: row.get(6)?,
        statement_digest: row.get(7)?,
        n_workspaces: unsigned(row.get(8)?)?,
        rows_due: unsigned(row.get(9)?)?,
        n_parts: unsigned(row.get(10)?)?,
        predicate: row.get(11)?,
        bounds: row.get(12)?,
        intended_at: instant_at(row, 13)?,
    };
    let verdict: Option<String> = row.get(14)?;
    let outcome = match verdict {
        Some(verdict) => Some(StepOutcome {
            cycle: intent.cycle.clone(),
            step: intent.step,
            verdict,
            rows_left: row.get::<_, Option<i64>>(15)?.map(unsigned).transpose()?,
            error: row.get(16)?,
            duration_ms: unsigned(row.get(17)?)?,
            finished_at: instant_at(row, 18)?,
        }),
        None => None,
    };
    Ok(StepRecord { intent, outcome })
}
