//! What `doctor` asks of a server beyond what deletes need. Each question stands alone, since a
//! user may be allowed to ask some of them and not others.

use clickhouse::{Row, RowOwned, RowRead};
use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::sql::sql;

/// A table, view or dictionary, and what it says about where its rows come from.
#[derive(Debug, Clone, Default, Row, Deserialize)]
pub(crate) struct Relation {
    pub(crate) database: String,
    pub(crate) name: String,
    /// Whether it is in the database of the targets.
    pub(crate) is_here: bool,
    pub(crate) uuid: String,
    pub(crate) engine: String,
    pub(crate) engine_full: String,
    pub(crate) ddl: String,
    pub(crate) as_select: String,
    pub(crate) holds_rows: bool,
    /// Views that an insert into it triggers.
    pub(crate) feeds: Vec<(String, String)>,
    /// What a dictionary is loaded from.
    pub(crate) loads_from: Vec<(String, String)>,
}

/// The clusters that a server knows.
#[derive(Debug, Clone, Row, Deserialize)]
pub(crate) struct ClusterSize {
    pub(crate) cluster: String,
    pub(crate) n_shards: u64,
}

/// A table of the server's own log.
#[derive(Debug, Clone, Row, Deserialize)]
pub(crate) struct SystemLog {
    pub(crate) name: String,
    pub(crate) engine_full: String,
    pub(crate) size_bytes: u64,
}

/// Mutations of a table that are not done.
#[derive(Debug, Clone, Row, Deserialize)]
pub(crate) struct MutationBacklog {
    pub(crate) table: String,
    pub(crate) n_unfinished: u64,
}

/// How old the rows of a table are, as counts: what [`crate::compile::ages`] asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Row, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "no column of a user's table begins like this"
)]
pub(crate) struct AgeCounts {
    pub(crate) ebbtide_rows: u64,
    /// Rows without an age.
    pub(crate) ebbtide_undatable: u64,
    /// Of these, the empty ones.
    pub(crate) ebbtide_empty: u64,
    /// Of these, those with an id of version 7 and something around it.
    pub(crate) ebbtide_padded: u64,
    /// Ids with upper-case letters.
    pub(crate) ebbtide_upper: u64,
    /// Rows of 1970, and older ones.
    pub(crate) ebbtide_1970: u64,
    pub(crate) ebbtide_2106: u64,
    pub(crate) ebbtide_2299: u64,
    pub(crate) ebbtide_9999: u64,
    /// All rows dated after the instant that was asked about.
    pub(crate) ebbtide_future: u64,
}

#[derive(Row, Deserialize)]
struct Table {
    table: String,
}

#[derive(Row, Deserialize)]
struct Setting {
    value: String,
}

#[derive(Row, Deserialize)]
struct Size {
    size_bytes: u64,
}

impl Shard {
    /// All tables and views that the user sees, those of the targets' database first.
    pub(crate) async fn relations(&self) -> Result<Vec<Relation>, WarehouseError> {
        self.ask(sql!("clickhouse/relations.sql")).await
    }

    /// Whether the user sees the tables and columns that it has no grant on.
    pub(crate) async fn sees_everything(&self) -> Result<bool, WarehouseError> {
        // Without settings, as the grants are checked: a session that is read-only has fewer.
        let query = self
            .plain
            .query_raw("CHECK GRANT SHOW TABLES, SHOW COLUMNS ON *.*");
        Ok(self.fetch_one::<u8>(query).await? == 1)
    }

    /// Tables of the targets' database that have a column of one of these names.
    pub(crate) async fn tables_with_columns(
        &self,
        columns: &[&str],
    ) -> Result<Vec<String>, WarehouseError> {
        let text = sql!("clickhouse/tables_with_columns.sql");
        let found: Vec<Table> = self.ask_about(text, "columns", columns).await?;
        Ok(found.into_iter().map(|row| row.table).collect())
    }

    /// The clusters that the server knows.
    pub(crate) async fn cluster_sizes(&self) -> Result<Vec<ClusterSize>, WarehouseError> {
        self.ask(sql!("clickhouse/cluster_sizes.sql")).await
    }

    /// The server's own logs, the largest first.
    pub(crate) async fn system_logs(&self) -> Result<Vec<SystemLog>, WarehouseError> {
        self.ask(sql!("clickhouse/system_logs.sql")).await
    }

    /// The size above which the server drops no partition for users without a limit of their own; 0
    /// for no limit.
    pub(super) async fn drop_limit_of_server(&self) -> Result<u64, WarehouseError> {
        let sizes: Vec<Size> = self.ask(sql!("clickhouse/drop_limit.sql")).await?;
        let sizes = sizes.into_iter().map(|row| row.size_bytes);
        Ok(sizes
            .filter(|size_bytes| *size_bytes > 0)
            .min()
            .unwrap_or(0))
    }

    /// The workload that mutations of tables belong to that do not say otherwise, if any.
    pub(crate) async fn mutation_workload(&self) -> Result<Option<String>, WarehouseError> {
        let found: Vec<Setting> = self.ask(sql!("clickhouse/mutation_workload.sql")).await?;
        Ok(found.into_iter().next().map(|row| row.value))
    }

    /// Mutations of the tables that are not done.
    pub(crate) async fn mutation_backlog(
        &self,
        tables: &[&str],
    ) -> Result<Vec<MutationBacklog>, WarehouseError> {
        let text = sql!("clickhouse/mutation_backlog.sql");
        self.ask_about(text, "tables", tables).await
    }

    /// Runs a compiled count of ages that may read so many rows.
    ///
    /// # Errors
    /// Also when the table has more rows, or counting took too long: nothing is known then.
    pub(crate) async fn count_ages(
        &self,
        sql: &str,
        max_rows: u64,
    ) -> Result<AgeCounts, WarehouseError> {
        let query = self.probes.query_raw(sql);
        let query = query.with_setting("max_rows_to_read", max_rows.to_string());
        self.fetch_one_in_turn(query).await
    }

    async fn ask<T: RowOwned + RowRead>(&self, text: &str) -> Result<Vec<T>, WarehouseError> {
        self.fetch(self.probes.query_raw(text)).await
    }

    async fn ask_about<T: RowOwned + RowRead>(
        &self,
        text: &str,
        name: &str,
        values: &[&str],
    ) -> Result<Vec<T>, WarehouseError> {
        let query = self.probes.query_raw(text);
        self.fetch(query.param(name, values)).await
    }
}
