//! From a URL to a connection with the session settings of this ledger.

use std::time::Duration;

use mysql_async::{Conn, Opts, OptsBuilder, PoolConstraints, PoolOpts, UrlError};
use secrecy::{ExposeSecret, SecretString};

use super::fault::is_lost;
use crate::ledger::LedgerError;
use crate::ledger::connect::redact;
use crate::sql::sql;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that carries nothing for so long is looked after by the system.
const KEEPALIVE: Duration = Duration::from_secs(15);
const N_CONNECTIONS: usize = 8;

/// A connection, within a bounded time.
pub(in crate::ledger) async fn connected(
    attempt: impl Future<Output = mysql_async::Result<Conn>>,
    url: &str,
) -> Result<Conn, LedgerError> {
    let url = url.to_owned();
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error @ mysql_async::Error::Server(_))) if !is_lost(&error) => {
            Err(LedgerError::Refused {
                url,
                source: error.into(),
            })
        }
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
pub(in crate::ledger) fn options(
    url: &str,
    password: Option<SecretString>,
) -> Result<Opts, LedgerError> {
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
        .tcp_keepalive(Some(KEEPALIVE))
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
