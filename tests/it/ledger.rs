//! The contract of the ledger, checked on SQLite and on MySQL alike.

mod audit;
mod contract;
mod directory;
mod guards;
mod history;
mod ids;
mod import;
mod lease;
mod memory;
mod migration;
mod password;
mod prune;
mod quarantine;
mod race;
mod remains;
mod request;
mod review;
mod schema;
mod silence;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{
    CYCLE_LEASE, Chain, Entry, Flaw, LeaseAttempt, Ledger, NewRule, RuleRecord, Scope,
    connect_ledger,
};
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use crate::support::TestMysql;

/// Runs each check against a fresh ledger of each kind.
macro_rules! on_both {
    ($($check:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $check() { super::$check($crate::ledger::Fresh::sqlite().await).await; })*
        }
        mod mysql {
            $(#[tokio::test] async fn $check() { super::$check($crate::ledger::Fresh::mysql().await).await; })*
        }
    };
}
use on_both;

/// A ledger of its own, migrated, with a way round it to the database.
struct Fresh {
    url: String,
    ledger: Arc<dyn Ledger>,
    folder: TempDir,
    /// Dropped with this value.
    database: Option<TestMysql>,
}

impl Fresh {
    async fn sqlite() -> Self {
        Self::migrated(Self::bare_sqlite().await).await
    }

    async fn mysql() -> Self {
        Self::migrated(Self::bare_mysql().await).await
    }

    /// Without a schema; of SQLite not even a file.
    async fn bare_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ledger.db", folder.path().display());
        Self::open(url, folder).await
    }

    async fn bare_mysql() -> Self {
        let database = TestMysql::create().await;
        let mut fresh = Self::open(database.url().to_owned(), tempfile::tempdir().unwrap()).await;
        fresh.database = Some(database);
        fresh
    }

    async fn open(url: String, folder: TempDir) -> Self {
        let ledger = connect_ledger(&url, None).await.unwrap();
        Self {
            url,
            ledger,
            folder,
            database: None,
        }
    }

    async fn migrated(self) -> Self {
        self.ledger.migrate().await.unwrap();
        self
    }

    fn is_mysql(&self) -> bool {
        self.url.starts_with("mysql:")
    }

    /// An instant as the database writes it.
    fn instant(&self, text: &str) -> String {
        if self.is_mysql() {
            text.replace('T', " ").replace('Z', "")
        } else {
            text.to_owned()
        }
    }

    /// Runs a statement beside the ledger.
    async fn run(&self, sql: &str) -> Result<(), String> {
        if self.is_mysql() {
            return run_on_mysql(&self.url, sql).await;
        }
        let path = self.url.strip_prefix("sqlite://").unwrap();
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .execute_batch(sql)
            .map_err(|error| error.to_string())
    }

    /// Version, name and checksum of the migrations that were applied.
    async fn history(&self) -> Vec<(i32, String, String)> {
        let sql = "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";
        if self.is_mysql() {
            let mut connection = self.database.as_ref().unwrap().connect().await;
            return connection.query(sql).await.unwrap();
        }
        let path = self.url.strip_prefix("sqlite://").unwrap();
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map((), |row| row.try_into()).unwrap();
        rows.map(Result::unwrap).collect()
    }

    async fn rules(&self, with_history: bool) -> Vec<RuleRecord> {
        let mut rules = Vec::new();
        self.ledger
            .each_rule(with_history, &mut |rule| rules.push(rule))
            .await
            .unwrap();
        rules
    }

    async fn workspaces(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut visit = |workspace, organization| pairs.push((workspace, organization));
        self.ledger.each_workspace(&mut visit).await.unwrap();
        pairs.sort();
        pairs
    }

    /// The lease that the cycles of these tests run under; its token is 1.
    async fn lease(&self) {
        let length = Duration::from_mins(10);
        let attempt = self
            .ledger
            .acquire_lease(CYCLE_LEASE, "tests", length)
            .await;
        assert!(matches!(attempt, Ok(LeaseAttempt::Held(lease)) if lease.token == 1));
    }

    async fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut visit = |entry| entries.push(entry);
        self.ledger.each_entry(0, None, &mut visit).await.unwrap();
        entries
    }

    /// What the record tells of, in order.
    async fn kinds(&self) -> Vec<String> {
        let entries = self.entries().await.into_iter();
        entries.map(|entry| entry.fact.kind).collect()
    }

    /// What is wrong with the record.
    async fn flaws(&self) -> Vec<Flaw> {
        let mut chain = Chain::new([self.ledger.audit_head().await.unwrap()]);
        let entries = self.entries().await;
        let mut flaws: Vec<_> = entries.iter().flat_map(|entry| chain.push(entry)).collect();
        flaws.extend(chain.finish());
        flaws
    }

    async fn revision(&self) -> u64 {
        self.ledger.revision().await.unwrap()
    }
}

async fn run_on_mysql(url: &str, sql: &str) -> Result<(), String> {
    let pool = mysql_async::Pool::from_url(url).unwrap();
    let mut connection = pool.get_conn().await.unwrap();
    let result = connection
        .query_drop(sql)
        .await
        .map_err(|error| error.to_string());
    drop(connection);
    pool.disconnect().await.unwrap();
    result
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rule(scope: Scope, retention: &str) -> NewRule {
    let created_at = at("2026-11-21T10:00:00.123456Z");
    NewRule {
        scope,
        retention: retention.into(),
        apply_to_past: true,
        created_at,
    }
}

fn workspace(name: &str) -> Scope {
    Scope::Workspace(name.into())
}

/// An error with its causes, as the command line prints it.
fn chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
