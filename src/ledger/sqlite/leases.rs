//! Leases in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::value::{instant, instant_at, instant_text, signed, unsigned};
use crate::ledger::row::lease_end;
use crate::ledger::{Lease, LeaseAttempt, LeaseLedger, LedgerError, fact};
use crate::sql::sql;

#[async_trait]
impl LeaseLedger for Sqlite {
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write("grant the lease", move |change| {
            acquire(change, &name, &holder, length)
        })
        .await
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError> {
        let lease = lease.clone();
        self.write("renew the lease", move |change| {
            renew(change, &lease, length)
        })
        .await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let lease = lease.clone();
        self.write("take the lease back", move |change| release(change, &lease))
            .await
    }

    async fn leases(&self) -> Result<Vec<Lease>, LedgerError> {
        self.read("list the leases", all).await
    }
}

fn acquire(
    change: &mut Change<'_>,
    name: &str,
    holder: &str,
    length: Duration,
) -> Result<LeaseAttempt, Fault> {
    let now = change.now();
    let found = last_grant(change, name)?;
    let mut token = 0;
    if let Some((last, given_to, expires_at)) = found {
        token = last;
        // Nobody has it where it was given back.
        if let Some(other) = given_to.filter(|other| other != holder) {
            if expires_at > now {
                return Ok(LeaseAttempt::Busy(Lease {
                    name: name.to_owned(),
                    holder: other,
                    token,
                    expires_at,
                }));
            }
            let token = token.saturating_add(1);
            change.record(fact::lease_taken_over(
                name, holder, token, &other, expires_at,
            ))?;
        }
    }
    let lease = Lease {
        name: name.to_owned(),
        holder: holder.to_owned(),
        token: token.saturating_add(1),
        expires_at: lease_end(now, length)?,
    };
    let expires_at = instant_text(lease.expires_at);
    let values = params![name, holder, signed(lease.token)?, expires_at];
    change.execute(sql!("ledger/sqlite/grant_lease.sql"), values)?;
    Ok(LeaseAttempt::Held(lease))
}

fn renew(change: &mut Change<'_>, lease: &Lease, length: Duration) -> Result<Option<Lease>, Fault> {
    let expires_at = lease_end(change.now(), length)?;
    let values = params![
        instant_text(expires_at),
        lease.name,
        lease.holder,
        signed(lease.token)?,
        instant_text(change.now()),
    ];
    let n_renewed = change.execute(sql!("ledger/sqlite/renew_lease.sql"), values)?;
    Ok((n_renewed > 0).then(|| Lease {
        expires_at,
        ..lease.clone()
    }))
}

fn release(change: &mut Change<'_>, lease: &Lease) -> Result<(), Fault> {
    let values = params![
        instant_text(change.now()),
        lease.name,
        lease.holder,
        signed(lease.token)?,
    ];
    change.execute(sql!("ledger/sqlite/release_lease.sql"), values)?;
    Ok(())
}

/// Whether the lease of this token has not ended.
pub(super) fn is_held(change: &Change<'_>, name: &str, token: u64) -> Result<bool, Fault> {
    let found = last_grant(change, name)?;
    Ok(found.is_some_and(|(last, holder, expires_at)| {
        last == token && holder.is_some() && expires_at > change.now()
    }))
}

type Grant = (u64, Option<String>, Timestamp);

fn last_grant(connection: &Connection, name: &str) -> Result<Option<Grant>, Fault> {
    let grant = |row: &Row<'_>| {
        let (token, holder) = (row.get(1)?, row.get(0)?);
        Ok((token, holder, row.get::<_, String>(2)?))
    };
    let sql = sql!("ledger/sqlite/lease.sql");
    let found = connection.query_row(sql, [name], grant).optional()?;
    Ok(match found {
        Some((token, holder, at)) => Some((unsigned(token)?, holder, instant(&at)?)),
        None => None,
    })
}

fn all(connection: &Connection) -> Result<Vec<Lease>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/leases.sql"))?;
    let mut rows = statement.query(())?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        leases.push(Lease {
            name: row.get(0)?,
            holder: row.get(1)?,
            token: unsigned(row.get(2)?)?,
            expires_at: instant_at(row, 3)?,
        });
    }
    Ok(leases)
}
