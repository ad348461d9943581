//! From a URL to a ledger.

use std::sync::Arc;

use secrecy::SecretString;

use super::mysql::{MySql, TellPassword};
use super::sqlite::Sqlite;
use super::{Ledger, LedgerError};

/// Opens the ledger at `sqlite://PATH` (`sqlite://ebbtide.db`, `sqlite:///var/lib/ebbtide.db`) or
/// `mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE`, optionally with the driver's parameters such as
/// `?require_ssl=true`. A given password takes the place of the one in the URL.
///
/// MySQL is asked for a connection at once; an SQLite file is only opened when it is needed, and
/// only [`Ledger::migrate`] creates one.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let error = ebbtide::connect_ledger("postgres://host/db", None).await.err();
/// assert!(error.is_some_and(|error| error.to_string().contains("sqlite://")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`LedgerError::BadUrl`], and for MySQL [`LedgerError::Unreachable`] and [`LedgerError::Refused`].
pub async fn connect_ledger(
    url: &str,
    password: Option<SecretString>,
) -> Result<Arc<dyn Ledger>, LedgerError> {
    let password = always(password);
    if url.starts_with("mysql://") {
        return Ok(Arc::new(MySql::connect(url, password).await?));
    }
    open_ledger(url, password)
}

fn always(password: Option<SecretString>) -> TellPassword {
    Arc::new(move || password.clone())
}

/// The same without asking for a connection: for whoever waits until the ledger can be reached. The
/// password is asked for again when the server refuses the one before.
///
/// # Errors
/// [`LedgerError::BadUrl`].
pub fn open_ledger(url: &str, password: TellPassword) -> Result<Arc<dyn Ledger>, LedgerError> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        return Ok(Arc::new(Sqlite::new(url, path)?));
    }
    if url.starts_with("mysql://") {
        return Ok(Arc::new(MySql::new(url, password)?));
    }
    Err(LedgerError::BadUrl {
        url: redact(url),
        problem: "it begins with neither sqlite:// nor mysql://; write sqlite://ebbtide.db or \
                  mysql://user@host:3306/database"
            .into(),
    })
}

/// The URL without password and parameters; of one that cannot be read only the scheme.
pub(super) fn redact(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(parsed) if parsed.has_host() => {
            let user = match parsed.username() {
                "" => String::new(),
                user => format!("{user}@"),
            };
            let host = parsed.host_str().unwrap_or_default();
            let port = parsed
                .port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            format!("{}://{user}{host}{port}{}", parsed.scheme(), parsed.path())
        }
        _ => match url.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…"),
            None => "(without a scheme)".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_survives_redaction() {
        for (url, expected) in [
            (
                "mysql://eva:s3cret@db:3307/ebb?require_ssl=true",
                "mysql://eva@db:3307/ebb",
            ),
            ("mysql://:s3cret@db/ebb", "mysql://db/ebb"),
            ("mysql://eva:s3cret@db:notaport/ebb", "mysql://…"),
            ("eva:s3cret@db", "(without a scheme)"),
        ] {
            assert_eq!(redact(url), expected);
        }
    }

    #[tokio::test]
    async fn a_bad_url_says_what_to_write() {
        for (url, part) in [
            (
                "postgres://eva:s3cret@db/ebb",
                "mysql://user@host:3306/database",
            ),
            ("ebbtide.db", "sqlite://ebbtide.db"),
            ("sqlite://", "names no file"),
            ("mysql://eva:s3cret@db:3306/", "names no database"),
            ("mysql://eva:s3cret@db:port/ebb", "not usable"),
            ("mysql://eva:s3cret@db/ebb?speed=s3cret", "speed"),
        ] {
            let Err(error) = connect_ledger(url, None).await else {
                panic!("{url}")
            };
            let message = error.to_string();
            assert!(matches!(error, LedgerError::BadUrl { .. }), "{message}");
            assert!(
                message.contains(part) && !message.contains("s3cret"),
                "{message}"
            );
        }
    }
}
