//! Approvals and plans kept for review, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::change::Change;
use super::fault::Fault;
use super::value::{instant_at, instant_text, optional_instant_at, signed, unsigned};
use super::{Asker, Sqlite, change};
use crate::ledger::row::{oldest_request, plan_status, storable};
use crate::ledger::{
    Approval, Author, Ledger, LedgerError, NewApproval, NewPlan, PlanApproval, PlanLedger,
    PlanRecord, PlanStatus, RequestKey, fact,
};
use crate::sql::sql;

#[async_trait]
impl PlanLedger for Sqlite {
    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError> {
        let (approval, by) = (approval.clone(), by.to_owned());
        self.write("record the approval", move |change| {
            approve(change, &approval, &by)
        })
        .await
    }

    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError> {
        self.read("read what was approved", approved_revision).await
    }

    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError> {
        let (plan, by) = (plan.clone(), Asker::from(by));
        self.write("keep the plan", move |change| keep(change, &plan, &by))
            .await
    }

    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError> {
        let request = request.clone();
        let oldest = oldest_request(self.now().await?);
        self.read("look for an earlier request", move |connection| {
            change::earlier(connection, &request, oldest)
        })
        .await
    }

    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError> {
        let before = before.map(str::to_owned);
        self.read("list the plans", move |connection| {
            page(connection, before.as_deref(), limit)
        })
        .await
    }

    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError> {
        let id = id.to_owned();
        self.read("read the plan", move |connection| kept(connection, &id))
            .await
    }

    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.write("approve the plan", move |change| {
            approve_kept(change, &id, &by, at)
        })
        .await
    }

    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError> {
        let id = id.to_owned();
        self.write("mark the plan", move |change| mark(change, &id, status))
            .await
    }
}

fn approve(change: &mut Change<'_>, approval: &NewApproval, by: &str) -> Result<Approval, Fault> {
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

fn approved_revision(connection: &Connection) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/sqlite/approved_revision.sql");
    let revision: Option<i64> = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(revision.map(unsigned).transpose()?)
}

fn keep(change: &mut Change<'_>, plan: &NewPlan, by: &Asker) -> Result<String, Fault> {
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

fn page(
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

fn kept(connection: &Connection, id: &str) -> Result<Option<(PlanRecord, String)>, Fault> {
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

fn approve_kept(
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

fn mark(change: &Change<'_>, id: &str, status: PlanStatus) -> Result<(), Fault> {
    let values = params![status.as_str(), id];
    match change.execute(sql!("ledger/sqlite/mark_plan.sql"), values)? {
        0 => Err(LedgerError::NotOpen {
            what: format!("plan {id}"),
        }
        .into()),
        _ => Ok(()),
    }
}
