//! How long the server may be silent.

use std::time::Duration;

use futures_util::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row};
use tokio::time::timeout;

use super::fault::Fault;

/// So long an operation may take, waiting for locks included; a network that swallows what is sent
/// answers never.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Imports, and streams of everything, take as long as they take; but each of their statements, and
/// the wait for the next row, has [`LIMIT`].
pub(super) const NO_LIMIT: Option<Duration> = None;

/// An operation within its limit.
pub(super) async fn in_time<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match limit {
        None => work.await,
        Some(limit) => timeout(limit, work)
            .await
            .unwrap_or(Err(Fault::Late(limit))),
    }
}

/// What the server answers, within [`LIMIT`].
pub(super) async fn heard<T>(
    answer: impl Future<Output = mysql_async::Result<T>>,
) -> Result<T, Fault> {
    in_time(Some(LIMIT), async { Ok(answer.await?) }).await
}

/// Streams the rows of a query; the server may be slow, but not silent.
pub(super) async fn each_row(
    connection: &mut Conn,
    sql: &str,
    values: impl Into<Params>,
    visit: &mut (dyn FnMut(Row) -> Result<(), Fault> + Send),
) -> Result<(), Fault> {
    let values: Params = values.into();
    let mut rows = heard(connection.exec_stream::<Row, _, _>(sql, values)).await?;
    while let Some(row) = heard(rows.try_next()).await? {
        visit(row)?;
    }
    Ok(())
}
