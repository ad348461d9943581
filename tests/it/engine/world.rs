//! A small world for a cycle: two tables, a ledger, and an engine over both.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{
    Config, CycleKind, CycleReport, Engine, EngineError, FixedClock, HoldRange, Ledger,
    MARKER_PREFIX, NewHold, NewPause, NewRule, PauseScope, Plan, PlanRequest, Scope, Tenure,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{PACE, TestDatabase, ledger_of, with_pace};

pub const NOW: &str = "2026-11-21T10:00:00Z";

pub struct World {
    pub database: TestDatabase,
    pub ledger: Arc<dyn Ledger>,
    pub folder: TempDir,
    pub yaml: String,
}

impl World {
    /// Workspaces `w0` to `w3` with 100 spans and 100 traces each, one of each a day.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// The same, with more in the configuration's `clickhouse` section.
    pub async fn with(clickhouse: &str) -> Self {
        let database = TestDatabase::create().await;
        for table in ["spans", "traces"] {
            let create = format!(
                "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree ORDER BY (w, p, at)"
            );
            let fill = fill(table, &format!("toDateTime('{}', 'UTC')", now_as_sql()));
            execute(&database, &create).await;
            execute(&database, &fill).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "version: 1\n\
             clickhouse: {{shards: [{{url: \"{}\"}}], database: {}, user: {}{clickhouse}}}\n\
             ledger: {{url: \"sqlite://{}/ledger.db\"}}\n\
             retention: {{approval: none, max_share_of_table: 0.9}}\n\
             {PACE}\
             targets:\n\
             - {{table: spans, workspace: w, project: p, age: {{time: at}}}}\n\
             - {{table: traces, workspace: w, project: p, age: {{time: at}}}}\n",
            database.url(),
            database.name(),
            database.user(),
            folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = ledger_of(&config).await;
        Self {
            database,
            ledger,
            folder,
            yaml,
        }
    }

    pub fn config(&self) -> Config {
        Config::parse(&self.yaml).unwrap()
    }

    pub fn engine(&self) -> Engine {
        self.engine_at(NOW)
    }

    pub fn engine_at(&self, now: &str) -> Engine {
        self.engine_with(&self.config(), now)
    }

    pub fn engine_with(&self, config: &Config, now: &str) -> Engine {
        Engine::new(config, self.ledger.clone(), Arc::new(FixedClock(at(now)))).unwrap()
    }

    pub async fn tenure(&self) -> Tenure {
        tenure(&self.ledger).await
    }

    pub async fn rule(&self, workspace: &str, retention: &str) {
        rule(&*self.ledger, Scope::Workspace(workspace.into()), retention).await;
    }

    pub async fn project_rule(&self, workspace: &str, project: &str, retention: &str) {
        rule(&*self.ledger, of_project(workspace, project), retention).await;
    }

    /// Holds rows of a scope, all of them or those from the first day, before the second.
    pub async fn hold(&self, scope: Scope, range: Option<(&str, &str)>) -> u64 {
        let day = |day: &str| at(&format!("{day}T00:00:00Z"));
        let hold = NewHold {
            scope,
            range: HoldRange {
                from: range.map(|(from, _)| day(from)),
                until: range.map(|(_, until)| day(until)),
            },
            reason: "a test".into(),
            owner: "test".into(),
            created_at: at(NOW),
        };
        let created = self.ledger.place_hold(&hold, "test".into()).await;
        created.unwrap().id
    }

    pub async fn pause(&self, scope: PauseScope) {
        let pause = NewPause {
            scope,
            reason: "a test".into(),
            created_at: at(NOW),
        };
        self.ledger.pause(&pause, "test".into()).await.unwrap();
    }

    /// The configuration with one piece of its text replaced.
    pub fn config_with(&self, before: &str, after: &str) -> Config {
        assert!(self.yaml.contains(before), "{}", self.yaml);
        Config::parse(&self.yaml.replace(before, after)).unwrap()
    }

    /// The configuration with more keys in its section `pace`.
    pub fn paced(&self, keys: &str) -> Config {
        Config::parse(&with_pace(&self.yaml, keys)).unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        execute(&self.database, sql).await;
    }

    pub async fn count(&self, what: &str) -> u64 {
        let sql = format!("SELECT count() FROM {what}");
        self.database
            .client()
            .query(&sql)
            .fetch_one()
            .await
            .unwrap()
    }

    /// Mutations of ours, finished or not.
    pub async fn mutations(&self) -> u64 {
        let database = self.database.name();
        self.count(&format!(
            "system.mutations WHERE database = '{database}' AND command LIKE '%{MARKER_PREFIX}%'"
        ))
        .await
    }
}

impl World {
    /// Makes everything that the ledger dates older by a length such as `2h`.
    pub fn let_pass(&self, length: &str) {
        let length: jiff::SignedDuration = length.parse().unwrap();
        let path = self.folder.path().join("ledger.db");
        let ledger = rusqlite::Connection::open(path).unwrap();
        let sql = "UPDATE revisions SET since = strftime('%Y-%m-%dT%H:%M:%f', since, ?1) || '000Z'";
        let shift = format!("-{} seconds", length.as_secs());
        assert!(ledger.execute(sql, [shift]).unwrap() > 0);
    }

    pub async fn wait_for_mutations(&self, expected: u64) {
        for _ in 0..600 {
            if self.mutations().await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited 30 s for {expected} mutations");
    }

    pub async fn wait_for(&self, what: &str, expected: u64) {
        for _ in 0..600 {
            if self.count(what).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited 30 s for {expected} of {what}");
    }
}

pub fn of_project(workspace: &str, project: &str) -> Scope {
    Scope::Project {
        workspace: workspace.into(),
        project: project.into(),
    }
}

/// A rule of that instant which also expires what is older than itself.
pub async fn rule(ledger: &dyn Ledger, scope: Scope, retention: &str) {
    let rule = NewRule {
        scope,
        retention: retention.into(),
        apply_to_past: true,
        created_at: at(NOW),
    };
    ledger.create_rule(&rule, "test".into()).await.unwrap();
}

/// The lease, for longer than a test lasts.
pub async fn tenure(ledger: &Arc<dyn Ledger>) -> Tenure {
    Tenure::begin(ledger, "test", Duration::from_mins(5))
        .await
        .unwrap()
}

/// A full cycle that holds the lease meanwhile.
pub async fn run(engine: &Engine) -> Result<(Plan, CycleReport), EngineError> {
    let tenure = tenure(engine.ledger()).await;
    let ran = engine.run(&tenure, &CancellationToken::new()).await;
    tenure.release().await?;
    ran
}

/// Applies a plan, holding the lease meanwhile.
pub async fn apply(engine: &Engine, plan: &Plan) -> Result<CycleReport, EngineError> {
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let applied = engine.apply(plan, CycleKind::Run, &tenure, &never).await;
    // Where the ledger is gone the lease ends by itself.
    tenure.release().await.ok();
    applied
}

/// Approves a plan and applies exactly it, holding the lease meanwhile.
pub async fn apply_reviewed(engine: &Engine, plan: &Plan) -> Result<CycleReport, EngineError> {
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let applied = engine.apply_reviewed(plan, "test", &tenure, &never).await;
    tenure.release().await?;
    applied
}

/// A plan for review.
pub async fn propose(engine: &Engine) -> Plan {
    engine.plan(&PlanRequest::proposed()).await.unwrap()
}

/// What a full cycle would do now.
pub async fn plan(engine: &Engine) -> Plan {
    let request = PlanRequest {
        with_totals: true,
        ..PlanRequest::default()
    };
    engine.plan(&request).await.unwrap()
}

/// [`NOW`] as a `DateTime` in UTC is written.
pub fn now_as_sql() -> String {
    NOW.trim_end_matches('Z').replace('T', " ")
}

/// Fills a table with the rows of the four workspaces, the last ones of that instant.
pub fn fill(table: &str, now: &str) -> String {
    format!(
        "INSERT INTO {table} SELECT concat('w', toString(number % 4)), 'p', \
         {now} - toIntervalDay(intDiv(number, 4)), number FROM numbers(400)"
    )
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn execute(database: &TestDatabase, sql: &str) {
    let done = database.client().query_raw(sql).execute().await;
    done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}
