//! Settings, revisions, and pruning the record, in MySQL.

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::value::{column, instant, instant_value};
use super::{Change, Fault, Malformed, change};
use crate::audit::Head;
use crate::ledger::row::{oldest_request, storable, whole_microseconds};
use crate::ledger::{MutationKill, PrunedRecord, fact};
use crate::sql::sql;

pub(super) async fn now(connection: &mut Conn) -> Result<Timestamp, Fault> {
    let row: Option<Row> = connection
        .exec_first(sql!("ledger/mysql/now.sql"), ())
        .await?;
    let mut row = row.ok_or_else(|| Malformed("the server tells no time".into()))?;
    Ok(instant(&mut row, 0)?)
}

pub(super) async fn revision(connection: &mut Conn) -> Result<u64, Fault> {
    let revision = connection
        .exec_first(sql!("ledger/mysql/read_revision.sql"), ())
        .await?;
    Ok(revision.ok_or_else(|| Malformed("the table meta is empty".into()))?)
}

pub(super) async fn revision_at(
    connection: &mut Conn,
    at: Timestamp,
) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/mysql/revision_at.sql");
    let at = instant_value(whole_microseconds(at));
    let latest: Option<Option<u64>> = connection.exec_first(sql, (at,)).await?;
    Ok(latest.flatten())
}

pub(super) async fn note_settings(
    change: &mut Change<'_>,
    body: &str,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    let revision = change.revision();
    if settings_at(&mut **change, revision).await?.as_deref() == Some(body) {
        return Ok(false);
    }
    let revision = change.raise().await?;
    let values = vec![
        revision.into(),
        body.into(),
        instant_value(storable(at)?),
        by.into(),
    ];
    change
        .execute(sql!("ledger/mysql/insert_settings.sql"), values)
        .await?;
    change
        .record(fact::settings_noted(body, revision, by))
        .await?;
    Ok(true)
}

pub(super) async fn settings_at(
    connection: &mut impl Queryable,
    revision: u64,
) -> Result<Option<String>, Fault> {
    let sql = sql!("ledger/mysql/settings_at.sql");
    Ok(connection.exec_first(sql, (revision,)).await?)
}

pub(super) async fn settings_within(
    connection: &mut impl Queryable,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, String)>, Fault> {
    let sql = sql!("ledger/mysql/settings_within.sql");
    Ok(connection.exec(sql, (first, last)).await?)
}

pub(super) async fn note_kill(
    change: &mut Change<'_>,
    kill: &MutationKill,
    by: &str,
) -> Result<(), Fault> {
    change.record(fact::mutation_killed(kill, by)).await
}

/// Prunes a batch. Entries go before cycles: a cycle that the chain names must be there.
pub(super) async fn prune(
    change: &mut Change<'_>,
    before: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<PrunedRecord, Fault> {
    let at = instant_value(storable(before)?);
    let oldest = oldest_request(now);
    let sql = sql!("ledger/mysql/forget_requests.sql");
    change.execute(sql, vec![instant_value(oldest)]).await?;
    let mut pruned = PrunedRecord::default();
    let values = vec![at.clone(), PrunedRecord::MOST_ENTRIES.into()];
    let sql = sql!("ledger/mysql/prune_entries.sql");
    pruned.n_entries = change.execute(sql, values).await?;
    if !pruned.is_full() {
        let values = vec![at.clone(), at, PrunedRecord::MOST_CYCLES.into()];
        let sql = sql!("ledger/mysql/prune_steps.sql");
        change.execute(sql, values.clone()).await?;
        let sql = sql!("ledger/mysql/prune_cycles.sql");
        pruned.n_cycles = change.execute(sql, values).await?;
    }
    if pruned != PrunedRecord::default() {
        let sql = sql!("ledger/mysql/first_entry.sql");
        let first: Option<Row> = change.exec_first(sql, ()).await?;
        let up_to = match first {
            Some(mut row) => Head {
                seq: column::<u64>(&mut row, 0)?.saturating_sub(1),
                hash: column(&mut row, 1)?,
            },
            None => change::head(&mut **change).await?,
        };
        change
            .record(fact::record_pruned(before, pruned, &up_to, by))
            .await?;
    }
    Ok(pruned)
}
