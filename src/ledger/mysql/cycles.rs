//! Cycles and their steps in MySQL. Each change is one statement, and so one transaction.

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Value};

use super::{Fault, column, instant, instant_value};
use crate::ledger::row::storable;
use crate::ledger::{
    CycleRecord, CycleStart, Intended, LedgerError, StepIntent, StepOutcome, StepRecord,
};
use crate::sql::sql;

pub(super) async fn begin(connection: &mut Conn, start: &CycleStart) -> Result<(), Fault> {
    let values = vec![
        Value::from(&start.id),
        instant_value(storable(start.started_at)?),
        instant_value(storable(start.as_of)?),
        (&start.rules_digest).into(),
        start.revision.into(),
    ];
    let sql = sql!("ledger/mysql/begin_cycle.sql");
    Ok(connection
        .exec_drop(sql, Params::Positional(values))
        .await?)
}

pub(super) async fn end(
    connection: &mut Conn,
    id: &str,
    status: &str,
    at: Timestamp,
) -> Result<(), Fault> {
    let values = vec![instant_value(storable(at)?), status.into(), id.into()];
    let sql = sql!("ledger/mysql/end_cycle.sql");
    connection
        .exec_drop(sql, Params::Positional(values))
        .await?;
    match connection.affected_rows() {
        0 => Err(LedgerError::NotOpen {
            what: format!("cycle {id}"),
        }
        .into()),
        _ => Ok(()),
    }
}

pub(super) async fn intend(connection: &mut Conn, intent: &StepIntent) -> Result<Intended, Fault> {
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
        instant_value(storable(intent.intended_at)?),
        (&intent.cycle).into(),
    ];
    let sql = sql!("ledger/mysql/intend_step.sql");
    connection
        .exec_drop(sql, Params::Positional(values))
        .await?;
    Ok(if connection.affected_rows() == 1 {
        Intended::Recorded
    } else {
        Intended::Stale
    })
}

pub(super) async fn finish(connection: &mut Conn, outcome: &StepOutcome) -> Result<(), Fault> {
    let StepOutcome {
        cycle,
        step,
        verdict,
        rows_left,
        error,
        finished_at,
        ..
    } = outcome;
    let values = vec![
        Value::from(verdict),
        (*rows_left).into(),
        error.as_deref().into(),
        instant_value(storable(*finished_at)?),
        cycle.into(),
        step.into(),
    ];
    let sql = sql!("ledger/mysql/finish_step.sql");
    connection
        .exec_drop(sql, Params::Positional(values))
        .await?;
    match connection.affected_rows() {
        0 => Err(LedgerError::NotOpen {
            what: format!("step {step} of cycle {cycle}"),
        }
        .into()),
        _ => Ok(()),
    }
}

pub(super) async fn latest(connection: &mut Conn, limit: u32) -> Result<Vec<CycleRecord>, Fault> {
    let rows: Vec<Row> = connection
        .exec(sql!("ledger/mysql/cycles.sql"), (limit,))
        .await?;
    let mut cycles = Vec::with_capacity(rows.len());
    for mut row in rows {
        let start = CycleStart {
            id: column(&mut row, 0)?,
            started_at: instant(&mut row, 1)?,
            as_of: instant(&mut row, 2)?,
            rules_digest: column(&mut row, 3)?,
            revision: column(&mut row, 4)?,
            kind: String::new(),
            plan_digest: String::new(),
            slot: None,
            holder: String::new(),
            lease_token: 0,
        };
        let status: Option<String> = column(&mut row, 6)?;
        let end = match status {
            Some(status) => Some((instant(&mut row, 5)?, status)),
            None => None,
        };
        cycles.push(CycleRecord { start, end });
    }
    Ok(cycles)
}

pub(super) async fn steps(connection: &mut Conn, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let rows: Vec<Row> = connection
        .exec(sql!("ledger/mysql/steps.sql"), (cycle,))
        .await?;
    let mut steps = Vec::with_capacity(rows.len());
    for mut row in rows {
        let intent = StepIntent {
            cycle: column(&mut row, 0)?,
            step: column(&mut row, 1)?,
            shard: column(&mut row, 2)?,
            table: column(&mut row, 3)?,
            method: column(&mut row, 4)?,
            shape: column(&mut row, 5)?,
            query_id: column(&mut row, 6)?,
            statement_digest: column(&mut row, 7)?,
            n_workspaces: column(&mut row, 8)?,
            rows_due: column(&mut row, 9)?,
            intended_at: instant(&mut row, 10)?,
            predicate: String::new(),
            bounds: String::new(),
        };
        let verdict: Option<String> = column(&mut row, 11)?;
        let outcome = match verdict {
            Some(verdict) => Some(StepOutcome {
                duration_ms: 0,
                cycle: intent.cycle.clone(),
                step: intent.step,
                verdict,
                rows_left: column(&mut row, 12)?,
                error: column(&mut row, 13)?,
                finished_at: instant(&mut row, 14)?,
            }),
            None => None,
        };
        steps.push(StepRecord { intent, outcome });
    }
    Ok(steps)
}
