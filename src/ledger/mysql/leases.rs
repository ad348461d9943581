//! Leases in MySQL.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row};

use super::change::Change;
use super::fault::Fault;
use super::limit::LIMIT;
use super::run::{in_change, on_connection};
use super::value::{column, instant, instant_value};
use super::{MySql, meta};
use crate::ledger::row::lease_end;
use crate::ledger::{Lease, LeaseAttempt, LeaseLedger, LedgerError, fact};
use crate::sql::sql;

#[async_trait]
impl LeaseLedger for MySql {
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError> {
        in_change!(self, "grant the lease", Some(LIMIT), change => acquire(change, name, holder, length))
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError> {
        on_connection!(self, "renew the lease", connection => renew(connection, lease, length))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        on_connection!(self, "take the lease back", connection => release(connection, lease))
    }

    async fn leases(&self) -> Result<Vec<Lease>, LedgerError> {
        on_connection!(self, "list the leases", connection => all(connection))
    }
}

async fn acquire(
    change: &mut Change<'_>,
    name: &str,
    holder: &str,
    length: Duration,
) -> Result<LeaseAttempt, Fault> {
    let now = change.now();
    let mut token = 0;
    if let Some(last) = last_grant(change, name).await? {
        token = last.token;
        // Nobody has it where it was given back.
        if let Some(other) = last.holder.filter(|other| other != holder) {
            let expires_at = last.expires_at;
            if expires_at > now {
                return Ok(LeaseAttempt::Busy(Lease {
                    name: name.to_owned(),
                    holder: other,
                    token,
                    expires_at,
                }));
            }
            let token = token.saturating_add(1);
            let deed = fact::lease_taken_over(name, holder, token, &other, expires_at);
            change.record(deed).await?;
        }
    }
    let lease = Lease {
        name: name.to_owned(),
        holder: holder.to_owned(),
        token: token.saturating_add(1),
        expires_at: lease_end(now, length)?,
    };
    let values = vec![
        name.into(),
        holder.into(),
        lease.token.into(),
        instant_value(lease.expires_at),
    ];
    change
        .execute(sql!("ledger/mysql/grant_lease.sql"), values)
        .await?;
    Ok(LeaseAttempt::Held(lease))
}

/// Does not wait for changes under way: a long import must not end a lease.
async fn renew(
    connection: &mut Conn,
    lease: &Lease,
    length: Duration,
) -> Result<Option<Lease>, Fault> {
    let now = meta::now(connection).await?;
    let expires_at = lease_end(now, length)?;
    // The statement looks at the time itself: a slow network must not bring an ended lease back.
    let values = vec![
        instant_value(expires_at),
        (&lease.name).into(),
        (&lease.holder).into(),
        lease.token.into(),
    ];
    let sql = sql!("ledger/mysql/renew_lease.sql");
    connection
        .exec_drop(sql, Params::Positional(values))
        .await?;
    let is_renewed = connection.affected_rows() > 0;
    Ok(is_renewed.then(|| Lease {
        expires_at,
        ..lease.clone()
    }))
}

async fn release(connection: &mut Conn, lease: &Lease) -> Result<(), Fault> {
    let now = meta::now(connection).await?;
    let values = vec![
        instant_value(now),
        (&lease.name).into(),
        (&lease.holder).into(),
        lease.token.into(),
    ];
    let sql = sql!("ledger/mysql/release_lease.sql");
    Ok(connection
        .exec_drop(sql, Params::Positional(values))
        .await?)
}

/// Whether the lease of this token has not ended.
pub(super) async fn is_held(
    change: &mut Change<'_>,
    name: &str,
    token: u64,
) -> Result<bool, Fault> {
    let now = change.now();
    let last = last_grant(change, name).await?;
    Ok(last
        .is_some_and(|last| last.token == token && last.holder.is_some() && last.expires_at > now))
}

struct Grant {
    /// Nobody, if it was given back.
    holder: Option<String>,
    token: u64,
    expires_at: Timestamp,
}

async fn last_grant(change: &mut Change<'_>, name: &str) -> Result<Option<Grant>, Fault> {
    let sql = sql!("ledger/mysql/lease.sql");
    let row: Option<Row> = change.exec_first(sql, (name,)).await?;
    let Some(mut row) = row else { return Ok(None) };
    Ok(Some(Grant {
        holder: column(&mut row, 0)?,
        token: column(&mut row, 1)?,
        expires_at: instant(&mut row, 2)?,
    }))
}

async fn all(connection: &mut Conn) -> Result<Vec<Lease>, Fault> {
    let rows: Vec<Row> = connection.exec(sql!("ledger/mysql/leases.sql"), ()).await?;
    let mut leases = Vec::with_capacity(rows.len());
    for mut row in rows {
        leases.push(Lease {
            name: column(&mut row, 0)?,
            holder: column(&mut row, 1)?,
            token: column(&mut row, 2)?,
            expires_at: instant(&mut row, 3)?,
        });
    }
    Ok(leases)
}
