//! The database of the demo, asked in plain SQL: nothing here knows the planner or the compiler.

use anyhow::Context as _;
use clickhouse::Client;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::promises::Promises;
use crate::sql::sql;

/// A client of the embedded server.
#[derive(Clone)]
pub(in crate::cli) struct Database {
    client: Client,
}

/// What is in a table.
#[derive(Debug, Clone, Serialize, Deserialize, clickhouse::Row)]
pub(super) struct TableSize {
    pub(super) table: String,
    pub(super) n_rows: u64,
    pub(super) n_workspaces: u64,
    pub(super) bytes_on_disk: u64,
}

/// Rows of a table that share a reason to go or to stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clickhouse::Row)]
pub(super) struct Tally {
    pub(super) table: String,
    /// `overdue`, or why they stay.
    pub(super) verdict: String,
    pub(super) n_rows: u64,
    /// Equal for the very same rows.
    pub(super) fingerprint: u64,
}

/// Tables of the sample that are there.
#[derive(Debug, Clone, Copy, Deserialize, clickhouse::Row)]
pub(in crate::cli) struct Existing {
    pub(in crate::cli) n_tables: u64,
    pub(in crate::cli) n_filled: u64,
}

impl Database {
    pub(in crate::cli) fn new(url: &str) -> Self {
        let client = Client::default()
            .with_url(url)
            .with_database("default")
            .with_product_info("ebbtide", env!("CARGO_PKG_VERSION"));
        Self { client }
    }

    pub(in crate::cli) async fn version(&self) -> anyhow::Result<String> {
        let query = self
            .client
            .query_raw(sql!("clickhouse/server_version.sql"))
            .fetch_one();
        query.await.context("ClickHouse does not say its version")
    }

    pub(in crate::cli) async fn existing(&self) -> anyhow::Result<Existing> {
        let query = self.client.query_raw(sql!("demo/look/existing.sql"));
        let existing = query.fetch_one().await;
        existing.context("cannot see which tables are there")
    }

    pub(super) async fn tables(&self) -> anyhow::Result<Vec<TableSize>> {
        let query = self.client.query_raw(sql!("demo/look/tables.sql"));
        query.fetch_all().await.context("cannot count the tables")
    }

    /// How many deletes ClickHouse was ever asked for.
    pub(super) async fn n_mutations(&self) -> anyhow::Result<u64> {
        let query = self.client.query_raw(sql!("demo/look/mutations.sql"));
        query
            .fetch_one()
            .await
            .context("cannot count the mutations")
    }

    /// Every row, by table and by what the promises say of it at an instant.
    pub(super) async fn tally(
        &self,
        promises: &Promises,
        at: Timestamp,
    ) -> anyhow::Result<Vec<Tally>> {
        self.client
            .query_raw(sql!("demo/look/promises.sql"))
            .param("now_ms", at.as_millisecond())
            .param("organizations", &promises.organizations)
            .param("organization_rules", &promises.organization_rules)
            .param("workspace_rules", &promises.workspace_rules)
            .param("project_rules", &promises.project_rules)
            .param("not_before_ms", &promises.not_before_ms)
            .fetch_all()
            .await
            .context("cannot reckon what was promised")
    }

    /// Runs a statement that makes a table or fills one.
    pub(super) async fn fill(
        &self,
        statement: &str,
        now: Timestamp,
        n_traces: u64,
        workspaces: &[&str],
    ) -> Result<(), clickhouse::error::Error> {
        self.client
            .query_raw(statement)
            .param("now_ms", now.as_millisecond())
            .param("n_traces", n_traces)
            .param("workspaces", workspaces)
            .execute()
            .await
    }
}
