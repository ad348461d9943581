//! What sidecars work on: two tables, a ledger, and a configuration. Rows are far from every cutoff,
//! so that a test may run over midnight.

use std::path::PathBuf;
use std::sync::Arc;

use ebbtide::{
    Config, CycleRecord, Embedded, HoldRange, Ledger, MARKER_PREFIX, NewHold, NewRule, Scope,
    StepRecord, connect_ledger,
};
use jiff::Timestamp;
use tempfile::TempDir;

use super::Process;
use crate::support::{PACE, TestDatabase, TestMysql, with_pace};

/// Workspaces `w0` to `w7`.
pub const N_WORKSPACES: u64 = 8;
/// For a test that waits until a lease ends. Others have a longer one: the machine may be busy.
pub const SHORT_LEASE: &str = "serve: {lease: 3s, shutdown_timeout: 20s}\n";

/// Rows of each table that are 100 days old, and as many of yesterday.
pub const N_OLD: u64 = 80;

pub struct Town {
    pub database: TestDatabase,
    pub folder: TempDir,
    ledger_url: String,
    _mysql: Option<TestMysql>,
}

impl Town {
    /// With a ledger in SQLite.
    pub async fn new() -> Self {
        Self::on(TestDatabase::create().await, None).await
    }

    /// With a ledger in MySQL.
    pub async fn with_mysql() -> Self {
        let mysql = TestMysql::create().await;
        Self::on(TestDatabase::create().await, Some(mysql)).await
    }

    /// On a server of the test's own.
    pub async fn at(server: &Embedded) -> Self {
        Self::on(TestDatabase::create_at(server).await, None).await
    }

    /// With this ledger, which is not there yet or not migrated.
    pub async fn with_ledger(url: &str) -> Self {
        let town = Self::build(TestDatabase::create().await, None, url.to_owned()).await;
        town.configure("", "");
        town
    }

    async fn on(database: TestDatabase, mysql: Option<TestMysql>) -> Self {
        let url = mysql.as_ref().map(|mysql| mysql.url().to_owned());
        let town = Self::build(database, mysql, url.unwrap_or_default()).await;
        town.configure("", "");
        town.ledger().await.migrate().await.unwrap();
        town.rule("30d").await;
        town
    }

    async fn build(database: TestDatabase, mysql: Option<TestMysql>, url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger_url = if url.is_empty() {
            format!("sqlite://{}/ledger.db", folder.path().display())
        } else {
            url
        };
        let town = Self {
            database,
            folder,
            ledger_url,
            _mysql: mysql,
        };
        for table in ["spans", "traces"] {
            town.sql(&format!(
                "CREATE TABLE {table} (w String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree ORDER BY (w, at)"
            ))
            .await;
            for age in [100, 1] {
                town.fill(table, age).await;
            }
        }
        town
    }

    /// Adds [`N_OLD`] rows of an age.
    pub async fn fill(&self, table: &str, age_days: u64) {
        self.sql(&format!(
            "INSERT INTO {table} SELECT concat('w', toString(number % {N_WORKSPACES})), \
             now() - toIntervalDay({age_days}), number FROM numbers({N_OLD})"
        ))
        .await;
    }

    /// The configuration: deletes at once, with one slot a day. `retention` lies over that;
    /// `sections` are more lines.
    pub fn configure(&self, retention: &str, sections: &str) -> PathBuf {
        let has = |key: &str| retention.contains(key);
        let default = |key: &str, value: &str| {
            let line = format!(", {key}: {value}");
            if has(key) { String::new() } else { line }
        };
        let serve = if sections.contains("serve:") {
            ""
        } else {
            "serve: {lease: 15s, shutdown_timeout: 20s}\n"
        };
        let retention = format!(
            "{}{}{}{}{retention}",
            default("max_share_of_table", "1.0"),
            default("enabled", "true"),
            default("approval", "none"),
            default("slots_per_day", "1"),
        );
        let retention = retention.trim_start_matches(", ");
        let pace = with_pace(PACE, "statements_per_minute: 6000");
        let yaml = format!(
            "version: 1\n\
             clickhouse: {{shards: [{{url: \"{}\"}}], database: {}, user: {}, \
             password_env: EBBTIDE_TEST_PASSWORD}}\n\
             ledger: {{url: \"{}\"}}\n\
             retention: {{{retention}}}\n\
             {pace}\
             log: {{format: json}}\n\
             api: {{listen: \"127.0.0.1:0\", tokens: [{{name: ann, role: admin, sha256: \"{}\"}}]}}\n\
             {serve}{sections}\
             targets:\n\
             - {{table: spans, workspace: w, age: {{time: at}}}}\n\
             - {{table: traces, workspace: w, age: {{time: at}}}}\n",
            self.database.url(),
            self.database.name(),
            self.database.user(),
            self.ledger_url,
            super::process::TOKEN_SHA256,
        );
        let path = self.path();
        std::fs::write(&path, yaml).unwrap();
        path
    }

    /// The configuration's file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    /// The configuration in force.
    pub fn config(&self) -> Config {
        Config::parse(&std::fs::read_to_string(self.path()).unwrap()).unwrap()
    }

    /// Starts a sidecar.
    pub fn start(&self) -> Process {
        Process::start(&self.path(), self.folder.path(), self.database.password())
    }

    pub async fn ledger(&self) -> Arc<dyn Ledger> {
        connect_ledger(&self.ledger_url, None).await.unwrap()
    }

    /// A rule for every workspace.
    pub async fn rule(&self, retention: &str) {
        let ledger = self.ledger().await;
        for number in 0..N_WORKSPACES {
            let rule = NewRule {
                scope: Scope::Workspace(format!("w{number}").into()),
                retention: retention.into(),
                apply_to_past: true,
                created_at: Timestamp::now(),
            };
            ledger.create_rule(&rule, "test".into()).await.unwrap();
        }
    }

    pub async fn sql(&self, sql: &str) {
        let done = self.database.client().query_raw(sql).execute().await;
        done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    pub async fn count(&self, what: &str) -> u64 {
        let sql = format!("SELECT count() FROM {what}");
        let query = self.database.client().query(&sql);
        query.fetch_one().await.unwrap()
    }

    /// Statements of ours that the server has registered, finished or not.
    pub async fn mutations(&self) -> u64 {
        let database = self.database.name();
        self.count(&format!(
            "system.mutations WHERE database = '{database}' AND command LIKE '%{MARKER_PREFIX}%'"
        ))
        .await
    }

    /// Every cycle with its steps, the oldest first.
    pub async fn cycles(&self) -> Vec<(CycleRecord, Vec<StepRecord>)> {
        let ledger = self.ledger().await;
        let mut all = Vec::new();
        for cycle in ledger.cycles(100).await.unwrap().into_iter().rev() {
            let steps = ledger.steps(&cycle.start.id).await.unwrap();
            all.push((cycle, steps));
        }
        all
    }

    /// Waits until a table has so many rows.
    pub async fn until_left(&self, table: &str, n_rows: u64) {
        self.until(&format!("{n_rows} rows of {table}"), async || {
            self.count(table).await == n_rows
        })
        .await;
    }

    /// Approves what holds now, as a person does.
    pub async fn approve(&self) {
        crate::support::approve(&*self.ledger().await).await;
    }

    /// Places a hold on a workspace.
    pub async fn hold(&self, workspace: &str) {
        let hold = NewHold {
            scope: Scope::Workspace(workspace.into()),
            range: HoldRange::default(),
            reason: "a dispute".into(),
            owner: "ann".into(),
            created_at: Timestamp::now(),
        };
        let ledger = self.ledger().await;
        ledger.place_hold(&hold, "eva".into()).await.unwrap();
    }

    /// Waits until the server has registered so many statements of ours.
    pub async fn until_mutations(&self, n: u64) {
        self.until(&format!("{n} mutations"), async || {
            self.mutations().await == n
        })
        .await;
    }

    /// Waits until a cycle has ended so.
    pub async fn until_ended(&self, status: &str) {
        self.until(&format!("a cycle ended as {status}"), async || {
            let cycles = self.cycles().await;
            let ended = |cycle: &CycleRecord| cycle.end.as_ref().is_some_and(|end| end.1 == status);
            cycles.iter().any(|(cycle, _)| ended(cycle))
        })
        .await;
    }

    pub async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let began_at = std::time::Instant::now();
        while !condition().await {
            let waited = began_at.elapsed().as_secs();
            assert!(waited < 120, "waited {waited} s for: {what}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The days on which slots ended as done, each once: a test may run over midnight.
    pub async fn days_done(&self) -> Vec<String> {
        let cycles = self.cycles().await.into_iter();
        let done =
            cycles.filter(|(cycle, _)| cycle.end.as_ref().is_some_and(|end| end.1 == "done"));
        let days: Vec<String> = done
            .filter_map(|(cycle, _)| cycle.start.slot.map(|(day, _)| day))
            .collect();
        let apart = days.is_sorted_by(|one, next| one < next);
        assert!(apart, "one slot a day: {days:?}");
        days
    }

    /// What is old is gone, once: the statements of the server and the steps of the ledger agree.
    pub async fn all_done_once(&self) {
        assert_eq!(self.count("spans").await, N_OLD);
        assert_eq!(self.count("traces").await, N_OLD);
        assert_eq!(self.mutations().await, 2, "one statement a table");
        let cycles = self.cycles().await;
        let sent = cycles.iter().flat_map(|(_, steps)| steps);
        let intended: Vec<&str> = sent.map(|step| step.intent.table.as_str()).collect();
        assert_eq!(intended, ["spans", "traces"]);
    }
}
