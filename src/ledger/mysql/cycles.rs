//! Cycles and their steps in MySQL.

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::leases::is_held;
use super::value::{column, instant, instant_value, optional_instant};
use super::{Change, Fault};
use crate::ledger::row::{slot_of, storable, whole_microseconds};
use crate::ledger::{
    CYCLE_LEASE, CycleRecord, CycleStart, DeletedRows, Intended, LedgerError, StepIntent,
    StepOutcome, StepRecord, fact,
};
use crate::plan::StepCost;
use crate::slot::SlotRange;
use crate::sql::sql;

pub(super) async fn begin(change: &mut Change<'_>, start: &CycleStart) -> Result<(), Fault> {
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
    change.record(fact::cycle_begun(start)).await?;
    Ok(())
}

pub(super) async fn end(
    change: &mut Change<'_>,
    id: &str,
    status: &str,
    at: Timestamp,
) -> Result<(), Fault> {
    let values = vec![instant_value(storable(at)?), status.into(), id.into()];
    let sql = sql!("ledger/mysql/end_cycle.sql");
    if change.execute(sql, values).await? == 0 {
        return Err(not_open(id));
    }
    let holder = holder(change, id).await?;
    change
        .record(fact::cycle_ended(id, status, at, &holder))
        .await?;
    Ok(())
}

pub(super) async fn renew(
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
        .record(fact::cycle_renewed(&cycle, revision, rules_digest))
        .await?;
    Ok(Intended::Recorded)
}

pub(super) async fn intend(
    change: &mut Change<'_>,
    intent: &StepIntent,
) -> Result<Intended, Fault> {
    let cycle = begun(change, &intent.cycle).await?;
    if !is_held(change, CYCLE_LEASE, cycle.lease_token).await? {
        return Ok(Intended::LeaseLost);
    }
    if cycle.revision != change.revision() {
        return Ok(Intended::Stale);
    }
    let values = vec![
        Value::from(&intent.cycle),
        intent.step.into(),
        (&intent.shard).into(),
        (&intent.table).into(),
        (&intent.method).into(),
        (&intent.shape).into(),
        (&intent.query_id).into(),
        (&intent.statement_digest).into(),
        intent.n_workspaces.into(),
        intent.rows_due.into(),
        intent.n_parts.into(),
        (&intent.predicate).into(),
        (&intent.bounds).into(),
        instant_value(storable(intent.intended_at)?),
    ];
    change
        .execute(sql!("ledger/mysql/intend_step.sql"), values)
        .await?;
    change
        .record(fact::step_intended(intent, &cycle.holder))
        .await?;
    Ok(Intended::Recorded)
}

pub(super) async fn finish(change: &mut Change<'_>, outcome: &StepOutcome) -> Result<(), Fault> {
    let values = vec![
        Value::from(&outcome.verdict),
        outcome.rows_left.into(),
        outcome.error.as_deref().into(),
        outcome.duration_ms.into(),
        instant_value(storable(outcome.finished_at)?),
        (&outcome.cycle).into(),
        outcome.step.into(),
    ];
    let sql = sql!("ledger/mysql/finish_step.sql");
    if change.execute(sql, values).await? == 0 {
        let what = format!("step {} of cycle {}", outcome.step, outcome.cycle);
        return Err(LedgerError::NotOpen { what }.into());
    }
    let holder = holder(change, &outcome.cycle).await?;
    change.record(fact::step_finished(outcome, &holder)).await?;
    Ok(())
}

async fn begun(change: &mut Change<'_>, id: &str) -> Result<CycleStart, Fault> {
    let cycle = one(&mut **change, id).await?.ok_or_else(|| not_open(id))?;
    Ok(cycle.start)
}

fn not_open(id: &str) -> Fault {
    let what = format!("cycle {id}");
    LedgerError::NotOpen { what }.into()
}

async fn holder(change: &mut Change<'_>, id: &str) -> Result<String, Fault> {
    let cycle = one(&mut **change, id).await?;
    Ok(cycle.map(|cycle| cycle.start.holder).unwrap_or_default())
}

pub(super) async fn before(
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

pub(super) async fn slots_done(connection: &mut Conn, day: &str) -> Result<Vec<SlotRange>, Fault> {
    let sql = sql!("ledger/mysql/slots_done.sql");
    let rows: Vec<Row> = connection.exec(sql, (day,)).await?;
    let mut slots = Vec::with_capacity(rows.len());
    for mut row in rows {
        let (from, to) = (column(&mut row, 0)?, column(&mut row, 1)?);
        slots.push(SlotRange { from, to });
    }
    Ok(slots)
}

pub(super) async fn last_success(connection: &mut Conn) -> Result<Option<Timestamp>, Fault> {
    let sql = sql!("ledger/mysql/last_success.sql");
    let row: Option<Row> = connection.exec_first(sql, ()).await?;
    let at = row
        .map(|mut row| optional_instant(&mut row, 0))
        .transpose()?;
    Ok(at.flatten())
}

pub(super) async fn deleted_since(
    connection: &mut Conn,
    since: Timestamp,
) -> Result<Vec<DeletedRows>, Fault> {
    let sql = sql!("ledger/mysql/deleted_since.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since,)).await?;
    let mut deleted = Vec::with_capacity(rows.len());
    for mut row in rows {
        deleted.push(DeletedRows {
            shard: column(&mut row, 0)?,
            table: column(&mut row, 1)?,
            n_rows: column(&mut row, 2)?,
        });
    }
    Ok(deleted)
}

pub(super) async fn step_costs(
    connection: &mut Conn,
    since: Timestamp,
) -> Result<Vec<StepCost>, Fault> {
    let sql = sql!("ledger/mysql/step_costs.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since,)).await?;
    let mut costs = Vec::with_capacity(rows.len());
    for mut row in rows {
        costs.push(StepCost {
            shard: column(&mut row, 0)?,
            table: column(&mut row, 1)?,
            method: column(&mut row, 2)?,
            n_parts: column(&mut row, 3)?,
            n_rows: column(&mut row, 4)?,
            duration_ms: column(&mut row, 5)?,
        });
    }
    Ok(costs)
}

pub(super) async fn steps(connection: &mut Conn, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let rows: Vec<Row> = connection
        .exec(sql!("ledger/mysql/steps.sql"), (cycle,))
        .await?;
    rows.into_iter().map(|mut row| step(&mut row)).collect()
}

pub(super) async fn unsettled(
    connection: &mut Conn,
    token: u64,
    since: Timestamp,
) -> Result<Vec<StepRecord>, Fault> {
    let sql = sql!("ledger/mysql/unsettled_steps.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since, token)).await?;
    rows.into_iter().map(|mut row| step(&mut row)).collect()
}

pub(super) async fn refused(
    connection: &mut Conn,
    since: Timestamp,
) -> Result<Vec<StepRecord>, Fault> {
    let sql = sql!("ledger/mysql/refused_steps.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since, StepOutcome::REFUSED)).await?;
    rows.into_iter().map(|mut row| step(&mut row)).collect()
}

fn step(row: &mut Row) -> Result<StepRecord, Fault> {
    let intent = StepIntent {
        cycle: column(row, 0)?,
        step: column(row, 1)?,
        shard: column(row, 2)?,
        table: column(row, 3)?,
        method: column(row, 4)?,
        shape: column(row, 5)?,
        query_id: column(row, 6)?,
        statement_digest: column(row, 7)?,
        n_workspaces: column(row, 8)?,
        rows_due: column(row, 9)?,
        n_parts: column(row, 10)?,
        predicate: column::<Option<_>>(row, 11)?.unwrap_or_default(),
        bounds: column::<Option<_>>(row, 12)?.unwrap_or_default(),
        intended_at: instant(row, 13)?,
    };
    let verdict: Option<String> = column(row, 14)?;
    let outcome = match verdict {
        Some(verdict) => Some(StepOutcome {
            cycle: intent.cycle.clone(),
            step: intent.step,
            verdict,
            rows_left: column(row, 15)?,
            error: column(row, 16)?,
            duration_ms: column(row, 17)?,
            finished_at: instant(row, 18)?,
        }),
        None => None,
    };
    Ok(StepRecord { intent, outcome })
}
