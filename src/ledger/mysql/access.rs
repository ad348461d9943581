//! Connections, under the password that holds now.
//!
//! Invariant: a login that the server refuses is tried once more if the password has been replaced; so a
//! new one in its file needs no restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mysql_async::{Conn, Opts, OptsBuilder, Pool};
use secrecy::{ExposeSecret, SecretString};

use super::connect::{connected, options};
use crate::ledger::LedgerError;
use crate::ledger::connect::redact;

/// Tells the password as it is now, if there is one beside the URL's.
pub type TellPassword = Arc<dyn Fn() -> Option<SecretString> + Send + Sync>;

/// The way to the database.
pub(super) struct Access {
    /// Without credentials.
    pub(super) url: String,
    password: TellPassword,
    door: Mutex<Door>,
}

struct Door {
    opts: Opts,
    pool: Pool,
}

impl Door {
    fn new(opts: Opts) -> Self {
        let pool = Pool::new(opts.clone());
        Self { opts, pool }
    }
}

impl Access {
    /// Nothing is connected to yet.
    pub(super) fn new(url: &str, password: TellPassword) -> Result<Self, LedgerError> {
        let opts = options(url, password())?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err(LedgerError::BadUrl {
                url: redact(url),
                problem: "it names no database; write mysql://user@host:3306/database".into(),
            });
        }
        Ok(Self {
            url: redact(url),
            password,
            door: Mutex::new(Door::new(opts)),
        })
    }

    /// A connection of the pool, within a bounded time.
    pub(super) async fn connection(&self) -> Result<Conn, LedgerError> {
        let refused = match connected(self.pool().get_conn(), &self.url).await {
            Err(refused @ LedgerError::Refused { .. }) => refused,
            answer => return answer,
        };
        let Some(pool) = self.pool_of_a_new_password() else {
            return Err(refused);
        };
        tracing::info!(url = self.url, "the ledger's password was read again");
        connected(pool.get_conn(), &self.url).await
    }

    pub(super) fn pool(&self) -> Pool {
        self.door().pool.clone()
    }

    fn pool_of_a_new_password(&self) -> Option<Pool> {
        let password = (self.password)()?;
        let mut door = self.door();
        if door.opts.pass() == Some(password.expose_secret()) {
            return None;
        }
        let opts = OptsBuilder::from_opts(door.opts.clone());
        let opts = opts.pass(Some(password.expose_secret()));
        *door = Door::new(opts.into());
        Some(door.pool.clone())
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
