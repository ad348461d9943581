//! The steps of cycles in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::change::Change;
use super::fault::Fault;
use super::leases::is_held;
use super::value::{instant_at, instant_text, signed, unsigned};
use super::{Sqlite, cycles};
use crate::ledger::row::storable;
use crate::ledger::step::COSTS_OF_EACH;
use crate::ledger::{
    CYCLE_LEASE, DeletedRows, Intended, LedgerError, StepIntent, StepLedger, StepOutcome,
    StepRecord, fact,
};
use crate::plan::StepCost;
use crate::sql::sql;

#[async_trait]
impl StepLedger for Sqlite {
    async fn intend_step(&self, intent: &StepIntent) -> Result<Intended, LedgerError> {
        let intent = intent.clone();
        self.write("record the step", move |change| intend(change, &intent))
            .await
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        let outcome = outcome.clone();
        self.write("record how the step ended", move |change| {
            finish(change, &outcome)
        })
        .await
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        let cycle = cycle.to_owned();
        self.read("list the steps", move |connection| {
            steps(connection, &cycle)
        })
        .await
    }

    async fn unsettled_steps(
        &self,
        token: u64,
        since: Timestamp,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        self.read("list the steps without an outcome", move |connection| {
            unsettled(connection, token, since)
        })
        .await
    }

    async fn refused_steps(&self, since: Timestamp) -> Result<Vec<StepRecord>, LedgerError> {
        self.read("list the steps that were refused", move |connection| {
            refused(connection, since)
        })
        .await
    }

    async fn deleted_since(&self, since: Timestamp) -> Result<Vec<DeletedRows>, LedgerError> {
        self.read("sum up the steps", move |connection| {
            deleted_since(connection, since)
        })
        .await
    }

    async fn step_costs(&self, since: Timestamp) -> Result<Vec<StepCost>, LedgerError> {
        self.read("read what steps cost", move |connection| {
            step_costs(connection, since)
        })
        .await
    }
}

fn intend(change: &mut Change<'_>, intent: &StepIntent) -> Result<Intended, Fault> {
    let cycle = cycles::begun(change, &intent.cycle)?;
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
    change.record(fact::step::intended(intent, &cycle.holder))?;
    Ok(Intended::Recorded)
}

fn finish(change: &mut Change<'_>, outcome: &StepOutcome) -> Result<(), Fault> {
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
    let holder = cycles::one(change, &outcome.cycle)?.map(|cycle| cycle.start.holder);
    change.record(fact::step::finished(outcome, &holder.unwrap_or_default()))
}

fn deleted_since(connection: &Connection, since: Timestamp) -> Result<Vec<DeletedRows>, Fault> {
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

fn step_costs(connection: &Connection, since: Timestamp) -> Result<Vec<StepCost>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/step_costs.sql"))?;
    let mut rows = statement.query(params![instant_text(since), COSTS_OF_EACH])?;
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

fn steps(connection: &Connection, cycle: &str) -> Result<Vec<StepRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/steps.sql"))?;
    let mut rows = statement.query([cycle])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(step(row)?);
    }
    Ok(steps)
}

fn unsettled(
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

fn refused(connection: &Connection, since: Timestamp) -> Result<Vec<StepRecord>, Fault> {
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
