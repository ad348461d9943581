//! The record and its pruning, in MySQL.

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::change::Change;
use super::fault::Fault;
use super::limit::{LIMIT, NO_LIMIT};
use super::run::{in_change, on_connection};
use super::value::{column, instant_value};
use super::{MySql, change};
use crate::audit::{Entry, Head};
use crate::ledger::row::{oldest_request, storable};
use crate::ledger::{LedgerError, MutationKill, PrunedRecord, RecordLedger, fact};
use crate::sql::sql;

#[async_trait]
impl RecordLedger for MySql {
    async fn note_kill(&self, kill: &MutationKill, by: &str) -> Result<(), LedgerError> {
        in_change!(self, "record the end of a mutation", Some(LIMIT), change => note_kill(change, kill, by))
    }

    async fn audit_head(&self) -> Result<Head, LedgerError> {
        on_connection!(self, "read the end of the record", connection => change::head(connection))
    }

    async fn each_entry(
        &self,
        from: u64,
        limit: Option<u32>,
        visit: &mut (dyn FnMut(Entry) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the record", NO_LIMIT, connection => change::each_entry(connection, from, limit, visit))
    }

    async fn prune_record(
        &self,
        before: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<PrunedRecord, LedgerError> {
        let mut pruned = PrunedRecord::default();
        loop {
            let batch = in_change!(self, "prune the record", NO_LIMIT, change => prune(change, before, by, now))?;
            pruned.add(batch);
            if !batch.is_full() {
                return Ok(pruned);
            }
        }
    }
}

async fn note_kill(change: &mut Change<'_>, kill: &MutationKill, by: &str) -> Result<(), Fault> {
    change.record(fact::mutation_killed(kill, by)).await
}

/// Prunes a batch. Entries go before cycles: a cycle that the chain names must be there.
async fn prune(
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
