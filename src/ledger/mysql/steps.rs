//! The steps of cycles in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::limit::LIMIT;
use super::run::{in_change, on_connection, retried};
use super::value::{column, instant, instant_value};
use super::{MySql, cycles};
use crate::ledger::row::{storable, whole_microseconds};
use crate::ledger::step::COSTS_OF_EACH;
use crate::ledger::{
    CYCLE_LEASE, DeletedRows, Intended, LedgerError, StepIntent, StepLedger, StepOutcome,
    StepRecord, fact,
};
use crate::plan::StepCost;
use crate::sql::sql;

#[async_trait]
impl StepLedger for MySql {
    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        in_change!(self, "record the step", Some(LIMIT), change => intend(change, intent))
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        retried!(self, "record how the step ended", change => finish(change, outcome))
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps", connection => steps(connection, cycle))
    }

    async fn unsettled_steps(
        &self,
        token: u64,
        since: Timestamp,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps without an outcome", connection => unsettled(connection, token, since))
    }

    async fn refused_steps(&self, since: Timestamp) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps that were refused", connection => refused(connection, since))
    }

    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError> {
        on_connection!(self, "sum up the steps", connection => deleted_since(connection, since))
    }

    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError> {
        on_connection!(self, "read what steps cost", connection => step_costs(connection, since))
    }
}

async fn intend(change: &mut Change<'_>, intent: &StepIntent) -> Result<Intended, Fault> {
    let cycle = cycles::begun(change, &intent.cycle).await?;
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
        .record(fact::step::intended(intent, &cycle.holder))
        .await?;
    Ok(Intended::Recorded)
}

async fn finish(change: &mut Change<'_>, outcome: &StepOutcome) -> Result<(), Fault> {
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
    let holder = cycles::holder(change, &outcome.cycle).await?;
    change
        .record(fact::step::finished(outcome, &holder))
        .await?;
    Ok(())
}

async fn deleted_since(connection: &mut Conn, since: Timestamp) -> Result<Vec<DeletedRows>, Fault> {
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

async fn step_costs(connection: &mut Conn, since: Timestamp) -> Result<Vec<StepCost>, Fault> {
    let sql = sql!("ledger/mysql/step_costs.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since, COSTS_OF_EACH)).await?;
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

async fn steps(connection: &mut Conn, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let rows: Vec<Row> = connection
        .exec(sql!("ledger/mysql/steps.sql"), (cycle,))
        .await?;
    rows.into_iter().map(|mut row| step(&mut row)).collect()
}

async fn unsettled(
    connection: &mut Conn,
    token: u64,
    since: Timestamp,
) -> Result<Vec<StepRecord>, Fault> {
    let sql = sql!("ledger/mysql/unsettled_steps.sql");
    let since = instant_value(whole_microseconds(since));
    let rows: Vec<Row> = connection.exec(sql, (since, token)).await?;
    rows.into_iter().map(|mut row| step(&mut row)).collect()
}

async fn refused(connection: &mut Conn, since: Timestamp) -> Result<Vec<StepRecord>, Fault> {
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
