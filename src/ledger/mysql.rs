//! The ledger in MySQL or MariaDB, for production.
//!
//! Invariant: every change of rules or directory first locks the row with the revision, so that
//! changes queue instead of deadlocking. That is for speed: that one scope has one active rule is
//! guaranteed by a unique key, whoever writes and at any isolation level.

mod access;
mod borrowed;
mod change;
mod connect;
mod cycles;
mod fault;
mod holds;
mod leases;
mod limit;
mod looks;
mod meta;
mod migrate;
mod pauses;
mod plans;
mod quarantines;
mod record;
mod remains;
mod rules;
mod run;
mod settings;
mod steps;
mod value;
mod workspaces;

use mysql_async::prelude::Queryable;

use super::LedgerError;

pub use access::TellPassword;
pub(super) use connect::{connected, options};
pub(super) use fault::is_lost;

use access::Access;

/// A MySQL or MariaDB database.
pub(super) struct MySql {
    access: Access,
}

impl MySql {
    /// Nothing is connected to yet.
    pub(super) fn new(url: &str, password: TellPassword) -> Result<Self, LedgerError> {
        let access = Access::new(url, password)?;
        Ok(Self { access })
    }

    pub(super) async fn connect(url: &str, password: TellPassword) -> Result<Self, LedgerError> {
        let this = Self::new(url, password)?;
        let mut connection = this.access.connection().await?;
        connection
            .ping()
            .await
            .map_err(|error| this.error("be asked", error.into()))?;
        Ok(this)
    }
}
