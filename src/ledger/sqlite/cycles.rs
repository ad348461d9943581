//! Cycles and their steps in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::{Fault, instant, instant_text, signed, unsigned};
use crate::ledger::row::storable;
use crate::ledger::{
    CycleRecord, CycleStart, Intended, LedgerError, StepIntent, StepOutcome, StepRecord,
};
use crate::sql::sql;

pub(super) fn begin(transaction: &Transaction<'_>, start: &CycleStart) -> Result<(), Fault> {
    let values = params![
        start.id,
        instant_text(storable(start.started_at)?),
        instant_text(storable(start.as_of)?),
        start.rules_digest,
        signed(start.revision)?,
    ];
    transaction.execute(sql!("ledger/sqlite/begin_cycle.sql"), values)?;
    Ok(())
}

pub(super) fn end(
    transaction: &Transaction<'_>,
    id: &str,
    status: &str,
    at: Timestamp,
) -> Result<(), Fault> {
    let values = params![instant_text(storable(at)?), status, id];
    match transaction.execute(sql!("ledger/sqlite/end_cycle.sql"), values)? {
        0 => Err(LedgerError::NotOpen {
            what: format!("cycle {id}"),
        }
        .into()),
        _ => Ok(()),
    }
}

pub(super) fn intend(
    transaction: &Transaction<'_>,
    intent: &StepIntent,
) -> Result<Intended, Fault> {
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
        instant_text(storable(intent.intended_at)?),
        intent.cycle,
    ];
    Ok(
        if transaction.execute(sql!("ledger/sqlite/intend_step.sql"), values)? == 1 {
            Intended::Recorded
        } else {
            Intended::Stale
        },
    )
}

pub(super) fn finish(transaction: &Transaction<'_>, outcome: &StepOutcome) -> Result<(), Fault> {
    let StepOutcome {
        cycle,
        step,
        verdict,
        error,
        ..
    } = outcome;
    let rows_left = outcome.rows_left.map(signed).transpose()?;
    let finished_at = instant_text(storable(outcome.finished_at)?);
    let values = params![verdict, rows_left, error, finished_at, cycle, step];
    match transaction.execute(sql!("ledger/sqlite/finish_step.sql"), values)? {
        0 => Err(LedgerError::NotOpen {
            what: format!("step {step} of cycle {cycle}"),
        }
        .into()),
        _ => Ok(()),
    }
}

pub(super) fn latest(connection: &Connection, limit: u32) -> Result<Vec<CycleRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/cycles.sql"))?;
    let mut rows = statement.query([limit])?;
    let mut cycles = Vec::new();
    while let Some(row) = rows.next()? {
        let start = CycleStart {
            id: row.get(0)?,
            started_at: instant_at(row, 1)?,
            as_of: instant_at(row, 2)?,
            rules_digest: row.get(3)?,
            revision: unsigned(row.get(4)?)?,
            kind: String::new(),
            plan_digest: String::new(),
            slot: None,
            holder: String::new(),
            lease_token: 0,
        };
        let status: Option<String> = row.get(6)?;
        let end = match status {
            Some(status) => Some((instant_at(row, 5)?, status)),
            None => None,
        };
        cycles.push(CycleRecord { start, end });
    }
    Ok(cycles)
}

pub(super) fn steps(connection: &Connection, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/steps.sql"))?;
    let mut rows = statement.query([cycle])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
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
            intended_at: instant_at(row, 10)?,
            predicate: String::new(),
            bounds: String::new(),
        };
        let verdict: Option<String> = row.get(11)?;
        let outcome = match verdict {
            Some(verdict) => Some(StepOutcome {
                duration_ms: 0,
                cycle: intent.cycle.clone(),
                step: intent.step,
                verdict,
                rows_left: row.get::<_, Option<i64>>(12)?.map(unsigned).transpose()?,
                error: row.get(13)?,
                finished_at: instant_at(row, 14)?,
            }),
            None => None,
        };
        steps.push(StepRecord { intent, outcome });
    }
    Ok(steps)
}

fn instant_at(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    let text: String = row.get(column)?;
    Ok(instant(&text)?)
}
