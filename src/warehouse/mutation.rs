//! Mutations of ours as the server lists them. They are found by the marker in their predicate.

use std::time::Duration;

use crate::sql::sql;
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::first_line;
use super::{MARKER_PREFIX, Shard, WarehouseError};

/// A mutation that a statement of ours became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutationState {
    /// Its id on the server, such as `mutation_7.txt`.
    pub id: String,
    /// The table.
    pub table: String,
    /// The marker of the statement; the command itself where it is a rewrite, which has none.
    pub marker: String,
    /// When the server registered it.
    pub created_at: Option<Timestamp>,
    /// How long ago that was, by the server's clock.
    pub age: Duration,
    /// How long ago a part of it was finished last, or else how long ago it was registered; zero
    /// where only its end was asked for.
    pub idle: Duration,
    /// Parts that it still has to go through.
    pub parts_to_do: u64,
    /// Whether it went through all of them.
    pub is_done: bool,
    /// Whether somebody ended it; what it did to some parts stays done.
    pub is_killed: bool,
    /// Why the last attempt at a part failed; the server goes on trying.
    pub fail_reason: Option<String>,
}

#[derive(clickhouse::Row, Deserialize)]
struct MutationRow {
    id: String,
    table: String,
    marker: String,
    created_at_s: i64,
    age_s: u64,
    idle_s: u64,
    parts_to_do: u64,
    is_done: bool,
    is_killed: bool,
    fail_reason: String,
}

#[derive(clickhouse::Row, Deserialize)]
struct RunningRow {
    n_running: u64,
}

impl Shard {
    /// The mutations of ours on a table that are not finished, oldest first: also those of a
    /// process that died, and rewrites that free the disk, whoever sent them: a delete would wait
    /// behind any of them. Asked before anything is sent to the table.
    ///
    /// # Errors
    /// When the server cannot be asked: whether there are any is unknown then.
    pub async fn unfinished_mutations(
        &self,
        table: &str,
    ) -> Result<Vec<MutationState>, WarehouseError> {
        self.unfinished(table).await
    }

    /// The same on all tables of the database.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn all_unfinished_mutations(&self) -> Result<Vec<MutationState>, WarehouseError> {
        self.unfinished("").await
    }

    /// Of one table, or, without its name, of all.
    async fn unfinished(&self, table: &str) -> Result<Vec<MutationState>, WarehouseError> {
        let ask = |text: &str| {
            let query = self.probes.query_raw(text).param("prefix", MARKER_PREFIX);
            query.param("table", table)
        };
        // Their progress takes ten times as long to ask for.
        let any = ask(sql!("clickhouse/any_unfinished_mutation.sql"));
        let any: RunningRow = self.fetch_one(any).await?;
        if any.n_running == 0 {
            return Ok(Vec::new());
        }
        let query = ask(sql!("clickhouse/unfinished_mutations.sql"));
        let rows: Vec<MutationRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(MutationState::from).collect())
    }

    /// Whether nothing works on a statement any more, or ever did: neither its query nor its mutation.
    /// First the query, then the mutation: a query that is gone registers nothing any more.
    pub(crate) async fn is_over(
        &self,
        query_id: &str,
        marker: &str,
    ) -> Result<bool, WarehouseError> {
        if self.is_running(query_id).await? {
            return Ok(false);
        }
        let mutation = self.mutation_of(marker).await?;
        Ok(mutation.is_none_or(|state| state.is_done || state.is_killed))
    }

    /// The mutation that holds this marker; the unfinished one if there should be several.
    pub(super) async fn mutation_of(
        &self,
        marker: &str,
    ) -> Result<Option<MutationState>, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/mutations_of_statement.sql"))
            .param("marker", marker);
        let rows: Vec<MutationRow> = self.fetch(query).await?;
        let states = rows.into_iter().map(MutationState::from);
        Ok(states.min_by_key(|state| state.is_done))
    }

    /// Whether the server still works on the query.
    pub(crate) async fn is_running(&self, query_id: &str) -> Result<bool, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/running_queries.sql"))
            .param("query_id", query_id);
        let row: RunningRow = self.fetch_one(query).await?;
        Ok(row.n_running > 0)
    }
}

impl MutationState {
    /// Whether it only frees the disk of rows that are deleted already.
    pub fn is_rewrite(&self) -> bool {
        !self.marker.starts_with(MARKER_PREFIX)
    }

    /// Cycle and step that it belongs to, as far as its marker names them.
    pub fn cycle_and_step(&self) -> Option<(&str, &str)> {
        if self.is_rewrite() {
            return None;
        }
        let (_, identity) = self.marker.rsplit_once(':')?;
        identity.rsplit_once('-')
    }

    /// Why it is stalled, if no part of it was finished for so long.
    pub fn stalled(&self, after: Duration) -> Option<String> {
        if self.idle < after {
            return None;
        }
        let reason = self.fail_reason.as_deref();
        Some(format!(
            "no part of the mutation {} of the table {} was finished for {} min, and {} are left: {}",
            self.id,
            self.table,
            self.idle.as_secs() / 60,
            self.parts_to_do,
            reason.unwrap_or("the server gives no reason")
        ))
    }
}

impl From<MutationRow> for MutationState {
    fn from(row: MutationRow) -> Self {
        Self {
            created_at: Timestamp::from_second(row.created_at_s).ok(),
            age: Duration::from_secs(row.age_s),
            idle: Duration::from_secs(row.idle_s),
            fail_reason: match first_line(&row.fail_reason) {
                "" => None,
                reason => Some(reason.to_owned()),
            },
            id: row.id,
            table: row.table,
            marker: row.marker,
            parts_to_do: row.parts_to_do,
            is_done: row.is_done,
            is_killed: row.is_killed,
        }
    }
}
