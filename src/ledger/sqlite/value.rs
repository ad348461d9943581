//! Numbers and instants as SQLite keeps them.

use jiff::Timestamp;
use rusqlite::Row;

use super::fault::Fault;
use crate::ledger::row::Malformed;

/// SQLite's integers are signed.
pub(super) fn unsigned(number: i64) -> Result<u64, Malformed> {
    u64::try_from(number).map_err(|_| Malformed(format!("{number} cannot be negative")))
}

pub(super) fn signed(number: u64) -> Result<i64, Malformed> {
    i64::try_from(number).map_err(|_| Malformed(format!("{number} is too large")))
}

/// Text that sorts like time: `2026-11-21T03:37:19.000000Z`.
pub(super) fn instant_text(at: Timestamp) -> String {
    format!("{at:.6}")
}

pub(super) fn instant(text: &str) -> Result<Timestamp, Malformed> {
    text.parse()
        .map_err(|_| Malformed(format!("{text:?} is not an instant")))
}

pub(super) fn instant_at(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    let text: String = row.get(column)?;
    Ok(instant(&text)?)
}

pub(super) fn optional_instant_at(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<Timestamp>, Fault> {
    let text: Option<String> = row.get(column)?;
    Ok(text.as_deref().map(instant).transpose()?)
}
