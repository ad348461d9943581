//! The ledger in MySQL or MariaDB, for production.
//!
//! Invariant: every change of rules or directory first locks the row with the revision, so that
//! changes queue instead of deadlocking. That is for speed: that one scope has one active rule is
//! guaranteed by a unique key, whoever writes and at any isolation level.

mod cycles;
mod rules;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{
    Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, Row, Transaction, TxOpts, UrlError,
    Value,
};
use secrecy::{ExposeSecret, SecretString};

use super::connect::redact;
use super::import::Batches;
use super::row::{Malformed, storable};
use super::{
    CreatedRule, CycleRecord, CycleStart, Deactivation, ImportRule, ImportedRules, Ledger,
    LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord, migrations,
};
use crate::rule::RuleId;
use crate::sql::sql;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const N_CONNECTIONS: usize = 8;
const N_ATTEMPTS: u32 = 5;

/// A MySQL or MariaDB database.
pub(super) struct MySql {
    url: String,
    pool: Pool,
}

/// What stops an operation.
#[derive(Debug)]
enum Fault {
    Sql(mysql_async::Error),
    Malformed(Malformed),
    Other(LedgerError),
}

impl From<mysql_async::Error> for Fault {
    fn from(error: mysql_async::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Other(error)
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl MySql {
    pub(super) async fn connect(
        url: &str,
        password: Option<SecretString>,
    ) -> Result<Self, LedgerError> {
        let opts = options(url, password)?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err(LedgerError::BadUrl {
                url: redact(url),
                problem: "it names no database; write mysql://user@host:3306/database".into(),
            });
        }
        let this = Self {
            url: redact(url),
            pool: Pool::new(opts),
        };
        let mut connection = this.connection().await?;
        connection
            .ping()
            .await
            .map_err(|error| this.error("be asked", error.into()))?;
        Ok(this)
    }

    async fn connection(&self) -> Result<Conn, LedgerError> {
        connected(self.pool.get_conn(), &self.url).await
    }

    fn error(&self, action: &'static str, fault: Fault) -> LedgerError {
        let error = match fault {
            Fault::Other(error) => return error,
            Fault::Malformed(error) => {
                return LedgerError::Database {
                    action,
                    source: error.into(),
                };
            }
            Fault::Sql(error) => error,
        };
        let url = self.url.clone();
        if is_conflict(&error) {
            return LedgerError::Busy {
                url,
                source: error.into(),
            };
        }
        if is_lost(&error) {
            return LedgerError::Unreachable {
                url,
                source: error.into(),
            };
        }
        LedgerError::Database {
            action,
            source: error.into(),
        }
    }
}

/// A connection, within a bounded time.
pub(super) async fn connected(
    attempt: impl Future<Output = mysql_async::Result<Conn>>,
    url: &str,
) -> Result<Conn, LedgerError> {
    let url = url.to_owned();
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error @ mysql_async::Error::Server(_))) => Err(LedgerError::Refused {
            url,
            source: error.into(),
        }),
        Ok(Err(error)) => Err(LedgerError::Unreachable {
            url,
            source: error.into(),
        }),
        Err(elapsed) => Err(LedgerError::Unreachable {
            url,
            source: elapsed.into(),
        }),
    }
}

/// The driver's options for a URL: checked, and with the session settings of this ledger.
pub(super) fn options(url: &str, password: Option<SecretString>) -> Result<Opts, LedgerError> {
    let opts = Opts::from_url(url).map_err(|error| LedgerError::BadUrl {
        url: redact(url),
        // The driver's own text may repeat a value of the URL.
        problem: match error {
            UrlError::UnknownParameter { param } => {
                format!("it has the unknown parameter {param}; leave it out")
            }
            UrlError::InvalidParamValue { param, .. } => {
                format!("the value of its parameter {param} cannot be read; correct it")
            }
            UrlError::UnsupportedScheme { .. } => {
                "it does not begin with mysql://; write mysql://user@host:3306/database".into()
            }
            _ => "it cannot be read; write mysql://user@host:3306/database, with special \
                  characters of user and password percent-encoded"
                .into(),
        },
    })?;
    let constraints = PoolConstraints::new(0, N_CONNECTIONS).unwrap_or_default();
    let pool_opts = PoolOpts::new().with_constraints(constraints);
    let mut builder = OptsBuilder::from_opts(opts)
        .pool_opts(pool_opts)
        .prefer_socket(false)
        .client_found_rows(true)
        .setup(vec![
            sql!("ledger/mysql/session.sql"),
            sql!("ledger/mysql/session_isolation.sql"),
        ]);
    if let Some(password) = password {
        builder = builder.pass(Some(password.expose_secret().to_owned()));
    }
    Ok(builder.into())
}

/// A lock that was not given: a deadlock, a wait that took too long, a row that changed meanwhile.
fn is_conflict(error: &mysql_async::Error) -> bool {
    has_code(error, &[1020, 1205, 1213])
}

/// A key that somebody else took first.
fn is_taken(error: &mysql_async::Error) -> bool {
    has_code(error, &[1062])
}

fn has_code(error: &mysql_async::Error, codes: &[u16]) -> bool {
    matches!(error, mysql_async::Error::Server(error) if codes.contains(&error.code))
}

/// The connection is gone, or the server is going.
pub(super) fn is_lost(error: &mysql_async::Error) -> bool {
    use mysql_async::{DriverError, Error};
    match error {
        Error::Io(_)
        | Error::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => true,
        Error::Server(error) => matches!(error.code, 1053 | 1077 | 1079 | 1927),
        _ => false,
    }
}

/// Counts the attempts of a transaction and waits between them.
struct Attempts(u32);

impl Attempts {
    /// After a conflict waits a little and says true, a bounded number of times.
    async fn again(&mut self, fault: &Fault) -> bool {
        let may_pass = matches!(fault, Fault::Sql(error) if is_conflict(error) || is_taken(error));
        self.0 += 1;
        if !may_pass || self.0 >= N_ATTEMPTS {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(jitter_ms(20 << self.0))).await;
        true
    }
}

/// A number below `below`, another one each time, so that two that met do not meet again.
fn jitter_ms(below: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % below
}

/// Begins a change of rules or directory; the others wait until it ends.
async fn begin_change(connection: &mut Conn) -> Result<Transaction<'_>, Fault> {
    let mut transaction = connection.start_transaction(TxOpts::new()).await?;
    let revision: Option<u64> = transaction
        .exec_first(sql!("ledger/mysql/lock_revision.sql"), ())
        .await?;
    match revision {
        Some(_) => Ok(transaction),
        None => Err(Malformed("the table meta is empty".into()).into()),
    }
}

async fn raise_revision(transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction
        .exec_drop(sql!("ledger/mysql/raise_revision.sql"), ())
        .await?)
}

async fn applied_migrations(connection: &mut Conn) -> Result<Vec<(i32, String)>, Fault> {
    match connection
        .query(sql!("ledger/mysql/applied_migrations.sql"))
        .await
    {
        Ok(applied) => Ok(applied),
        // There is no such table.
        Err(mysql_async::Error::Server(error)) if error.code == 1146 => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

impl MySql {
    async fn migrate_alone(&self, connection: &mut Conn) -> Result<Vec<String>, Fault> {
        let sql = sql!("ledger/mysql/take_migration_lock.sql");
        let locked: Option<Option<u8>> = connection.query_first(sql).await?;
        if locked.flatten() != Some(1) {
            return Err(Malformed("another migration is running; try again".into()).into());
        }
        migrations::check_not_too_new(&applied_migrations(connection).await?, &self.url)?;
        let runner = migrations::runner(&migrations::MYSQL)?;
        let mut pool = self.pool.clone();
        let report = runner
            .run_async(&mut pool)
            .await
            .map_err(migrations::migration_failed)?;
        connection
            .query_drop(sql!("ledger/mysql/release_migration_lock.sql"))
            .await?;
        Ok(migrations::applied_by(&report))
    }
}

/// Runs an operation on a connection of the pool and names what failed.
macro_rules! on_connection {
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {{
        let mut connection = $this.connection().await?;
        let $connection = &mut connection;
        $operation
            .await
            .map_err(|fault| $this.error($action, fault))
    }};
}

/// The same, and once more after a conflict.
macro_rules! retried {
    ($this:ident, $action:literal, $connection:ident => $operation:expr) => {{
        let mut attempts = Attempts(0);
        loop {
            let mut connection = $this.connection().await?;
            let $connection = &mut connection;
            match $operation.await {
                Err(fault) if attempts.again(&fault).await => {}
                result => break result.map_err(|fault| $this.error($action, fault)),
            }
        }
    }};
}

#[async_trait]
impl Ledger for MySql {
    async fn migrate(&self) -> Result<Vec<String>, LedgerError> {
        on_connection!(self, "be migrated", connection => self.migrate_alone(connection))
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let applied = on_connection!(self, "read its schema version",
            connection => applied_migrations(connection))?;
        migrations::check(&applied, &self.url)
    }

    async fn revision(&self) -> Result<u64, LedgerError> {
        on_connection!(self, "read its revision", connection => rules::revision(connection))
    }

    async fn create_rule(&self, rule: &NewRule, by: &str) -> Result<CreatedRule, LedgerError> {
        let mut rule = rule.clone();
        rule.created_at = storable(rule.created_at)?;
        retried!(self, "create the rule", connection => rules::create(connection, &rule, by))
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let now = storable(now)?;
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *rules);
        on_connection!(self, "import the rules",
            connection => rules::import(connection, &mut next, by, now))
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let at = storable(at)?;
        retried!(self, "deactivate the rule",
            connection => rules::deactivate(connection, id, by, at))
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules",
            connection => rules::each(connection, with_history, visit))
    }

    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
    ) -> Result<u64, LedgerError> {
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *pairs);
        on_connection!(self, "import the workspaces",
            connection => workspaces::put(connection, &mut next))
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the workspaces",
            connection => workspaces::each(connection, visit))
    }

    async fn begin_cycle(&self, start: &CycleStart) -> Result<(), LedgerError> {
        on_connection!(self, "record the cycle", connection => cycles::begin(connection, start))
    }

    async fn intend_step(&self, intent: &StepIntent) -> Result<(), LedgerError> {
        on_connection!(self, "record the step", connection => cycles::intend(connection, intent))
    }

    async fn finish_step(&self, outcome: &StepOutcome) -> Result<(), LedgerError> {
        on_connection!(self, "record how the step ended",
            connection => cycles::finish(connection, outcome))
    }

    async fn end_cycle(&self, id: &str, status: &str, at: Timestamp) -> Result<(), LedgerError> {
        on_connection!(self, "record how the cycle ended",
            connection => cycles::end(connection, id, status, at))
    }

    async fn cycles(&self, limit: u32) -> Result<Vec<CycleRecord>, LedgerError> {
        on_connection!(self, "list the cycles", connection => cycles::latest(connection, limit))
    }

    async fn steps(&self, cycle: &str) -> Result<Vec<StepRecord>, LedgerError> {
        on_connection!(self, "list the steps", connection => cycles::steps(connection, cycle))
    }
}

/// The value of a column; unlike the driver's own conversion it does not panic.
fn column<T: FromValue>(row: &mut Row, index: usize) -> Result<T, Malformed> {
    let value = row.take::<Value, _>(index);
    value
        .and_then(|value| mysql_async::from_value_opt(value).ok())
        .ok_or_else(|| Malformed(format!("column {index} of the result cannot be read")))
}

fn instant_value(at: Timestamp) -> Value {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    let year = u16::try_from(at.year()).unwrap_or(0);
    let microseconds = u32::try_from(at.subsec_nanosecond() / 1_000).unwrap_or(0);
    let (hour, minute, second) = (small(at.hour()), small(at.minute()), small(at.second()));
    Value::Date(
        year,
        small(at.month()),
        small(at.day()),
        hour,
        minute,
        second,
        microseconds,
    )
}

fn instant(row: &mut Row, index: usize) -> Result<Timestamp, Malformed> {
    optional_instant(row, index)?
        .ok_or_else(|| Malformed(format!("column {index} of the result is NULL")))
}

fn optional_instant(row: &mut Row, index: usize) -> Result<Option<Timestamp>, Malformed> {
    let wrong = || Malformed(format!("column {index} of the result is no instant"));
    let value = column::<Value>(row, index)?;
    let Value::Date(year, month, day, hour, minute, second, microsecond) = value else {
        return if value == Value::NULL {
            Ok(None)
        } else {
            Err(wrong())
        };
    };
    let year = i16::try_from(year).map_err(|_| wrong())?;
    let small = |number: u8| i8::try_from(number).map_err(|_| wrong());
    let nanosecond = i32::try_from(microsecond)
        .map_err(|_| wrong())?
        .saturating_mul(1_000);
    let date = (small(month)?, small(day)?);
    let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
    jiff::civil::DateTime::new(year, date.0, date.1, hour, minute, second, nanosecond)
        .and_then(|at| jiff::tz::TimeZone::UTC.to_timestamp(at))
        .map(Some)
        .map_err(|_| wrong())
}
