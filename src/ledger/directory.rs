//! The directory out of the operator's own MySQL, by a query of theirs.
//!
//! Invariant: the session is read-only, whatever the query says.

use std::time::Duration;

use futures_util::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, TxOpts, Value};
use secrecy::SecretString;
use tokio::time::timeout;

use super::LedgerError;
use super::connect::redact;
use super::mysql::{connected, is_lost, options};

/// So long the server may take to begin an answer, and between two rows of it.
const SILENCE: Duration = Duration::from_mins(1);

/// Streams the two columns of the query, workspace and organization; returns the number of rows.
/// The columns are taken by their order, and whole numbers are taken as text.
///
/// # Errors
/// [`DirectoryError`]; the rows visited before it must then not be used.
pub async fn read_directory(
    url: &str,
    password: Option<SecretString>,
    query: &str,
    visit: &mut (dyn FnMut(String, String) + Send),
) -> Result<u64, DirectoryError> {
    let options = options(url, password)?;
    let url = redact(url);
    let mut connection = connected(Conn::new(options), &url).await?;
    let failed = |source: mysql_async::Error| match source {
        source if is_lost(&source) => LedgerError::Unreachable {
            url: url.clone(),
            source: source.into(),
        }
        .into(),
        source => DirectoryError::Query {
            source: source.into(),
        },
    };
    let silent = || LedgerError::Unreachable {
        url: url.clone(),
        source: format!("no answer for {} s", SILENCE.as_secs()).into(),
    };
    let options = TxOpts::new().with_readonly(true).clone();
    let mut transaction = timeout(SILENCE, connection.start_transaction(options))
        .await
        .map_err(|_| silent())?
        .map_err(failed)?;
    // Prepared, so that it is one statement and cannot end the transaction.
    let mut result = timeout(SILENCE, transaction.exec_iter(query, ()))
        .await
        .map_err(|_| silent())?
        .map_err(failed)?;
    let names: Vec<String> = result
        .columns_ref()
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    if names.len() != 2 {
        return Err(DirectoryError::Columns {
            n_columns: names.len(),
            names: names.join(", "),
        });
    }
    let mut n_rows = 0;
    let rows = result.stream::<Row>().await.map_err(failed)?;
    if let Some(mut rows) = rows {
        while let Some(mut row) = timeout(SILENCE, rows.try_next())
            .await
            .map_err(|_| silent())?
            .map_err(failed)?
        {
            n_rows += 1;
            let mut text = |index| match row.take::<Value, _>(index) {
                Some(Value::Int(number)) => Ok(number.to_string()),
                Some(Value::UInt(number)) => Ok(number.to_string()),
                Some(Value::NULL) => Err(DirectoryError::Null {
                    row: n_rows,
                    column: index + 1,
                }),
                Some(Value::Bytes(bytes)) => {
                    String::from_utf8(bytes).map_err(|_| DirectoryError::NotText {
                        row: n_rows,
                        column: index + 1,
                    })
                }
                _ => Err(DirectoryError::NotText {
                    row: n_rows,
                    column: index + 1,
                }),
            };
            visit(text(0)?, text(1)?);
        }
    }
    Ok(n_rows)
}

/// Why the operator's query gives no directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The server.
    #[error(transparent)]
    Server(#[from] LedgerError),
    /// The query itself.
    #[error("the directory query failed; correct it, or grant this user what it reads")]
    Query {
        /// What the server said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not two columns.
    #[error(
        "the directory query returns {n_columns} columns ({names}); it must return two: workspace and organization, in this order"
    )]
    Columns {
        /// How many it returns.
        n_columns: usize,
        /// Their names, joined by commas.
        names: String,
    },
    /// A workspace or organization is NULL.
    #[error(
        "row {row} of the directory query has NULL in column {column}; leave such rows out with IS NOT NULL"
    )]
    Null {
        /// The row, from 1.
        row: u64,
        /// The column, from 1.
        column: usize,
    },
    /// Bytes that are no text.
    #[error(
        "row {row} of the directory query has no UTF-8 text in column {column}; select text, such as with CAST(... AS CHAR) or HEX()"
    )]
    NotText {
        /// The row, from 1.
        row: u64,
        /// The column, from 1.
        column: usize,
    },
}
