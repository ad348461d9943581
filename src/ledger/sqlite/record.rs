//! The record and its pruning, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::fault::Fault;
use super::ports::Outlet;
use super::value::{instant_text, signed, unsigned};
use super::{Sqlite, change};
use crate::audit::{Entry, Head};
use crate::ledger::row::{oldest_request, storable};
use crate::ledger::{LedgerError, MutationKill, PrunedRecord, RecordLedger, fact};
use crate::sql::sql;

#[async_trait]
impl RecordLedger for Sqlite {
    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError> {
        let (kill, by) = (kill.clone(), by.to_owned());
        self.write("record the end of a mutation", move |change| {
            note_kill(change, &kill, &by)
        })
        .await
    }

    async fn audit_head(&self) -> Result<Head, LedgerError> {
        self.read("read the end of the record", change::head).await
    }

    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<Entry>| {
            change::each_entry(connection, from, limit, outlet)
        };
        self.stream("list the record", look, visit).await
    }

    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError> {
        let mut pruned = PrunedRecord::default();
        loop {
            let by = by.to_owned();
            let pruning = self.write("prune the record", move |change| {
                prune(change, before, &by, now)
            });
            let batch = pruning.await?;
            pruned.add(batch);
            if !batch.is_full() {
                return Ok(pruned);
            }
        }
    }
}

fn note_kill(change: &mut Change<'_>, kill: &MutationKill, by: &str) -> Result<(), Fault> {
    change.record(fact::mutation_killed(kill, by))
}

/// Prunes a batch. Entries go before cycles: a cycle that the chain names must be there.
fn prune(
    change: &mut Change<'_>,
    before: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<PrunedRecord, Fault> {
    let text = instant_text(storable(before)?);
    let oldest = oldest_request(now);
    let sql = sql!("ledger/sqlite/forget_requests.sql");
    change.execute(sql, [instant_text(oldest)])?;
    let head = change::head(change)?;
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
