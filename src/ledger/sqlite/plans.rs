//! Approvals and plans kept for review, in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::value::{instant_at, optional_instant_at};
use super::{Asker, Change, Fault, instant_text, signed, unsigned};
use crate::ledger::row::{plan_status, storable};
use crate::ledger::{
    Approval, LedgerError, NewApproval, NewPlan, PlanApproval, PlanRecord, PlanStatus, fact,
};
use crate::sql::sql;

pub(super) fn approve(
    change: &mut Change<'_>,
    approval: &NewApproval,
    by: &str,
) -> Result<Approval, Fault> {
    let revision = change.revision();
    if approval.revision != revision {
        return Ok(Approval::Stale { revision });
    }
    insert_approval(change, approval, by)?;
    change.record(fact::approved(approval, by))?;
    Ok(Approval::Done)
}

fn insert_approval(change: &Change<'_>, approval: &NewApproval, by: &str) -> Result<(), Fault> {
    let values = params![
        signed(approval.revision)?,
        approval.plan_digest,
        instant_text(storable(approval.at)?),
        by,
    ];
    change.execute(sql!("ledger/sqlite/insert_approval.sql"), values)?;
    Ok(())
}

pub(super) fn approved_revision(connection: &Connection) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/sqlite/approved_revision.sql");
    let revision: Option<i64> = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(revision.map(unsigned).transpose()?)
}

pub(super) fn keep(change: &mut Change<'_>, plan: &NewPlan, by: &Asker) -> Result<String, Fault> {
    if let Some(id) = change.repeated(by.request.as_ref())? {
        return Ok(id);
    }
    let values = params![
        plan.id,
        plan.digest,
        signed(plan.revision)?,
        signed(plan.n_due)?,
        plan.body,
        instant_text(storable(plan.created_at)?),
        by.name,
    ];
    change.execute(sql!("ledger/sqlite/insert_plan.sql"), values)?;
    change.remember(by.request.as_ref(), &plan.id)?;
    change.record(fact::plan_kept(plan, &by.name))?;
    Ok(plan.id.clone())
}

pub(super) fn before(
    connection: &Connection,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<PlanRecord>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/plans_before.sql"))?;
    let mut rows = statement.query(params![before, limit])?;
    let mut plans = Vec::new();
    while let Some(row) = rows.next()? {
        plans.push(record(row)?);
    }
    Ok(plans)
}

pub(super) fn kept(
    connection: &Connection,
    id: &str,
) -> Result<Option<(PlanRecord, String)>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/plan.sql"))?;
    let mut rows = statement.query([id])?;
    Ok(match rows.next()? {
        Some(row) => Some((record(row)?, row.get(9)?)),
        None => None,
    })
}

fn record(row: &Row<'_>) -> Result<PlanRecord, Fault> {
    Ok(PlanRecord {
        id: row.get(0)?,
        digest: row.get(1)?,
        revision: unsigned(row.get(2)?)?,
        n_due: unsigned(row.get(3)?)?,
        created_at: instant_at(row, 4)?,
        created_by: row.get(5)?,
        status: plan_status(&row.get::<_, String>(6)?)?,
        approved: optional_instant_at(row, 7)?.zip(row.get(8)?),
    })
}

pub(super) fn approve_kept(
    change: &mut Change<'_>,
    id: &str,
    by: &str,
    at: Timestamp,
) -> Result<PlanApproval, Fault> {
    let Some((plan, _)) = kept(change, id)? else {
        return Ok(PlanApproval::NotFound);
    };
    let revision = change.revision();
    match plan.status {
        PlanStatus::Approved | PlanStatus::Applied => return Ok(PlanApproval::Already),
        PlanStatus::Stale => return Ok(PlanApproval::Stale { revision }),
        PlanStatus::Pending => {}
    }
    if plan.revision != revision {
        mark(change, id, PlanStatus::Stale)?;
        return Ok(PlanApproval::Stale { revision });
    }
    let approval = NewApproval {
        revision,
        plan_digest: plan.digest.clone(),
        at,
    };
    insert_approval(change, &approval, by)?;
    let values = params![instant_text(storable(at)?), by, id];
    change.execute(sql!("ledger/sqlite/approve_plan.sql"), values)?;
    change.record(fact::plan_approved(&plan, by))?;
    Ok(PlanApproval::Done)
}

pub(super) fn mark(change: &Change<'_>, id: &str, status: PlanStatus) -> Result<(), Fault> {
    let values = params![status.as_str(), id];
    match change.execute(sql!("ledger/sqlite/mark_plan.sql"), values)? {
        0 => Err(LedgerError::NotOpen {
            what: format!("plan {id}"),
        }
        .into()),
        _ => Ok(()),
    }
}
