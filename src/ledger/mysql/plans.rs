//! Approvals and plans kept for review, in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::change::Change;
use super::fault::Fault;
use super::run::{on_connection, retried};
use super::value::{column, instant, instant_value, optional_instant};
use super::{MySql, change};
use crate::ledger::row::{oldest_request, plan_status, storable};
use crate::ledger::{
    Approval, Author, Ledger, LedgerError, NewApproval, NewPlan, PlanApproval, PlanLedger,
    PlanRecord, PlanStatus, RequestKey, fact,
};
use crate::sql::sql;

#[async_trait]
impl PlanLedger for MySql {
    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError> {
        retried!(self, "record the approval", change => approve(change, approval, by))
    }

    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError> {
        on_connection!(self, "read what was approved", connection => approved_revision(connection))
    }

    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError> {
        retried!(self, "keep the plan", change => keep(change, plan, by))
    }

    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError> {
        let oldest = oldest_request(self.now().await?);
        on_connection!(self, "look for an earlier request", connection => change::earlier(connection, request, oldest))
    }

    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError> {
        on_connection!(self, "list the plans", connection => page(connection, before, limit))
    }

    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError> {
        on_connection!(self, "read the plan", connection => kept(connection, id))
    }

    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError> {
        retried!(self, "approve the plan", change => approve_kept(change, id, by, at))
    }

    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError> {
        retried!(self, "mark the plan", change => mark(change, id, status))
    }
}

async fn approve(
    change: &mut Change<'_>,
    approval: &NewApproval,
    by: &str,
) -> Result<Approval, Fault> {
    let revision = change.revision();
    if approval.revision != revision {
        return Ok(Approval::Stale { revision });
    }
    insert_approval(change, approval, by).await?;
    change.record(fact::approved(approval, by)).await?;
    Ok(Approval::Done)
}

async fn insert_approval(
    change: &mut Change<'_>,
    approval: &NewApproval,
    by: &str,
) -> Result<(), Fault> {
    let values = vec![
        approval.revision.into(),
        (&approval.plan_digest).into(),
        instant_value(storable(approval.at)?),
        by.into(),
    ];
    change
        .execute(sql!("ledger/mysql/insert_approval.sql"), values)
        .await?;
    Ok(())
}

async fn approved_revision(connection: &mut Conn) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/mysql/approved_revision.sql");
    let latest: Option<Option<u64>> = connection.exec_first(sql, ()).await?;
    Ok(latest.flatten())
}

async fn keep(change: &mut Change<'_>, plan: &NewPlan, by: Author<'_>) -> Result<String, Fault> {
    if let Some(id) = change.repeated(by.request).await? {
        return Ok(id);
    }
    let values = vec![
        (&plan.id).into(),
        (&plan.digest).into(),
        plan.revision.into(),
        plan.n_due.into(),
        (&plan.body).into(),
        instant_value(storable(plan.created_at)?),
        by.name.into(),
    ];
    change
        .execute(sql!("ledger/mysql/insert_plan.sql"), values)
        .await?;
    change.remember(by.request, &plan.id).await?;
    change.record(fact::plan_kept(plan, by.name)).await?;
    Ok(plan.id.clone())
}

async fn page(
    connection: &mut Conn,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<PlanRecord>, Fault> {
    let sql = sql!("ledger/mysql/plans_before.sql");
    let rows: Vec<Row> = connection.exec(sql, (before, before, limit)).await?;
    rows.into_iter().map(|mut row| record(&mut row)).collect()
}

async fn kept(
    connection: &mut impl Queryable,
    id: &str,
) -> Result<Option<(PlanRecord, String)>, Fault> {
    let sql = sql!("ledger/mysql/plan.sql");
    let row: Option<Row> = connection.exec_first(sql, (id,)).await?;
    Ok(match row {
        Some(mut row) => Some((record(&mut row)?, column(&mut row, 9)?)),
        None => None,
    })
}

fn record(row: &mut Row) -> Result<PlanRecord, Fault> {
    Ok(PlanRecord {
        id: column(row, 0)?,
        digest: column(row, 1)?,
        revision: column(row, 2)?,
        n_due: column(row, 3)?,
        created_at: instant(row, 4)?,
        created_by: column(row, 5)?,
        status: plan_status(&column::<String>(row, 6)?)?,
        approved: optional_instant(row, 7)?.zip(column(row, 8)?),
    })
}

async fn approve_kept(
    change: &mut Change<'_>,
    id: &str,
    by: &str,
    at: Timestamp,
) -> Result<PlanApproval, Fault> {
    let Some((plan, _)) = kept(&mut **change, id).await? else {
        return Ok(PlanApproval::NotFound);
    };
    let revision = change.revision();
    match plan.status {
        PlanStatus::Approved | PlanStatus::Applied => return Ok(PlanApproval::Already),
        PlanStatus::Stale => return Ok(PlanApproval::Stale { revision }),
        PlanStatus::Pending => {}
    }
    if plan.revision != revision {
        mark(change, id, PlanStatus::Stale).await?;
        return Ok(PlanApproval::Stale { revision });
    }
    let approval = NewApproval {
        revision,
        plan_digest: plan.digest.clone(),
        at,
    };
    insert_approval(change, &approval, by).await?;
    let values = vec![instant_value(storable(at)?), by.into(), id.into()];
    change
        .execute(sql!("ledger/mysql/approve_plan.sql"), values)
        .await?;
    change.record(fact::plan_approved(&plan, by)).await?;
    Ok(PlanApproval::Done)
}

async fn mark(change: &mut Change<'_>, id: &str, status: PlanStatus) -> Result<(), Fault> {
    let status = status.as_str();
    let values = vec![status.into(), id.into(), status.into()];
    let sql = sql!("ledger/mysql/mark_plan.sql");
    match change.execute(sql, values).await? {
        0 => Err(LedgerError::NotOpen {
            what: format!("plan {id}"),
        }
        .into()),
        _ => Ok(()),
    }
}
