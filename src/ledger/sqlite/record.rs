//! Settings, revisions, and pruning the record, in SQLite.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Change, Fault, instant, instant_text, signed, unsigned};
use crate::audit::Head;
use crate::ledger::row::{oldest_request, storable};
use crate::ledger::{MutationKill, PrunedRecord, fact};
use crate::sql::sql;

pub(super) fn now(connection: &Connection) -> Result<Timestamp, Fault> {
    let sql = sql!("ledger/sqlite/now.sql");
    let text: String = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(instant(&text)?)
}

pub(super) fn revision(connection: &Connection) -> Result<u64, Fault> {
    let sql = sql!("ledger/sqlite/read_revision.sql");
    Ok(unsigned(connection.query_row(sql, (), |row| row.get(0))?)?)
}

pub(super) fn revision_at(connection: &Connection, at: Timestamp) -> Result<Option<u64>, Fault> {
    let sql = sql!("ledger/sqlite/revision_at.sql");
    let revision: Option<i64> = connection.query_row(sql, [instant_text(at)], |row| row.get(0))?;
    Ok(revision.map(unsigned).transpose()?)
}

pub(super) fn note_settings(
    change: &mut Change<'_>,
    body: &str,
    by: &str,
    at: Timestamp,
) -> Result<bool, Fault> {
    if settings_at(change, change.revision())?.as_deref() == Some(body) {
        return Ok(false);
    }
    let revision = change.raise()?;
    let values = params![signed(revision)?, body, instant_text(storable(at)?), by];
    change.execute(sql!("ledger/sqlite/insert_settings.sql"), values)?;
    change.record(fact::settings_noted(body, revision, by))?;
    Ok(true)
}

pub(super) fn settings_at(connection: &Connection, revision: u64) -> Result<Option<String>, Fault> {
    let sql = sql!("ledger/sqlite/settings_at.sql");
    let body = connection.query_row(sql, [signed(revision)?], |row| row.get(0));
    Ok(body.optional()?)
}

pub(super) fn settings_within(
    connection: &Connection,
    first: u64,
    last: u64,
) -> Result<Vec<(u64, String)>, Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/settings_within.sql"))?;
    let mut rows = statement.query([signed(first)?, signed(last)?])?;
    let mut settings = Vec::new();
    while let Some(row) = rows.next()? {
        settings.push((unsigned(row.get(0)?)?, row.get(1)?));
    }
    Ok(settings)
}

pub(super) fn note_kill(
    change: &mut Change<'_>,
    kill: &MutationKill,
    by: &str,
) -> Result<(), Fault> {
    change.record(fact::mutation_killed(kill, by))
}

/// Prunes a batch. Entries go before cycles: a cycle that the chain names must be there.
pub(super) fn prune(
    change: &mut Change<'_>,
    before: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<PrunedRecord, Fault> {
    let text = instant_text(storable(before)?);
    let oldest = oldest_request(now);
    let sql = sql!("ledger/sqlite/forget_requests.sql");
    change.execute(sql, [instant_text(oldest)])?;
    let head = super::change::head(change)?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut pruned = PrunedRecord::default();
    let values = params![text, signed(PrunedRecord::MOST_ENTRIES)?];
    pruned.n_entries = count(change.execute(sql!("ledger/sqlite/prune_entries.sql"), values)?);
    if !pruned.is_full() {
        let values = params![text, signed(PrunedRecord::MOST_CYCLES)?];
        change.execute(sql!("ledger/sqlite/prune_steps.sql"), values)?;
        pruned.n_cycles = count(change.execute(sql!("ledger/sqlite/prune_cycles.sql"), values)?);
    }
    if pruned == PrunedRecord::default() {
        return Ok(pruned);
    }
    let sql = sql!("ledger/sqlite/first_entry.sql");
    let first: Option<(i64, String)> =
        change.query_row(sql, (), |row| row.try_into()).optional()?;
    let up_to = match first {
        Some((seq, hash)) => Head {
            seq: unsigned(seq)?.saturating_sub(1),
            hash,
        },
        None => head,
    };
    change.record(fact::record_pruned(before, pruned, &up_to, by))?;
    Ok(pruned)
}
