//! An API over a fresh ledger, and a client.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use ebbtide::http::{App, serve};
use ebbtide::{Config, Engine, Ledger, Live, Phase, Status, SystemClock, TlsFiles};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::support::{PACE, TestDatabase, TestMysql, ledger_of};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

pub struct Api {
    pub url: String,
    pub ledger: Arc<dyn Ledger>,
    pub live: watch::Sender<Arc<Live>>,
    pub status: watch::Sender<Status>,
    pub wake: Arc<Notify>,
    /// Route, method and status of what was answered.
    pub answered: Arc<Mutex<Vec<(String, String, u16)>>>,
    pub database: Option<TestDatabase>,
    client: Client<HttpConnector, Body>,
    pub shutdown: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    _kept: (Option<TestMysql>, TempDir),
}

/// What is different from the usual.
#[derive(Default)]
pub struct Options {
    /// More lines of the configuration's section `api`.
    pub api: String,
    /// More lines of the section `retention`.
    pub retention: String,
    /// With the ledger in MySQL instead of SQLite.
    pub with_mysql: bool,
    /// With the ledger at this address.
    pub ledger: Option<String>,
    /// With tables in a real ClickHouse.
    pub with_clickhouse: bool,
    pub tls: Option<TlsFiles>,
}

/// A caller: its role, and what it is bound to. The text of its token is its name.
pub const CALLERS: [(&str, &str, &str); 15] = [
    ("viewer", "viewer", ""),
    ("operator", "operator", ""),
    ("admin", "admin", ""),
    ("viewer-own", "viewer", "workspace: w1"),
    ("operator-own", "operator", "workspace: w1"),
    ("admin-own", "admin", "workspace: w1"),
    ("viewer-foreign", "viewer", "workspace: w9"),
    ("operator-foreign", "operator", "workspace: w9"),
    ("admin-foreign", "admin", "workspace: w9"),
    ("viewer-org", "viewer", "organization: acme"),
    ("operator-org", "operator", "organization: acme"),
    ("admin-org", "admin", "organization: acme"),
    ("viewer-other-org", "viewer", "organization: other"),
    ("operator-other-org", "operator", "organization: other"),
    ("admin-other-org", "admin", "organization: other"),
];

fn tokens() -> String {
    let line = |(name, role, bound): &(&str, &str, &str)| {
        let hash = format!("{:x}", Sha256::digest(name.as_bytes()));
        let bound = if bound.is_empty() {
            String::new()
        } else {
            format!(", {bound}")
        };
        format!("    - {{name: {name}, role: {role}, sha256: \"{hash}\"{bound}}}\n")
    };
    CALLERS.iter().map(line).collect()
}

impl Api {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = if options.with_clickhouse {
            Some(filled().await)
        } else {
            None
        };
        let mysql = if options.with_mysql {
            Some(TestMysql::create().await)
        } else {
            None
        };
        let ledger = match (&options.ledger, &mysql) {
            (Some(url), _) => url.clone(),
            (None, Some(mysql)) => mysql.url().to_owned(),
            (None, None) => format!("sqlite://{}/ledger.db", folder.path().display()),
        };
        let clickhouse = match &database {
            Some(database) => format!(
                "shards: [{{url: \"{}\"}}], database: {}, user: {}",
                database.url(),
                database.name(),
                database.user()
            ),
            None => format!("shards: [{{url: \"{NOWHERE}\"}}]"),
        };
        // Few tests are about that many requests.
        let often = if options.api.contains("requests_per_minute") {
            ""
        } else {
            "  requests_per_minute: 1000000\n"
        };
        let yaml = format!(
            "version: 1\n\
             clickhouse: {{{clickhouse}}}\n\
             ledger: {{url: \"{ledger}\"}}\n\
             {PACE}retention:\n  max_share_of_table: 1.0\n  enabled: true\n{}\
             api:\n  tokens:\n{}{}{often}\
             targets:\n\
             - {{table: spans, workspace: w, project: p, age: {{time: at}}}}\n\
             - {{table: traces, workspace: w, project: p, age: {{time: at}}}}\n",
            options.retention,
            tokens(),
            options.api,
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = ledger_of(&config).await;
        let directory = [("w1", "acme"), ("w2", "acme"), ("w9", "other")];
        let mut pairs = directory
            .map(|(w, o)| Ok((Arc::from(w), Arc::from(o))))
            .into_iter();
        ledger.put_workspaces(&mut pairs, "test").await.unwrap();
        Self::over(ledger, config, options.tls, (database, mysql, folder))
    }

    fn over(
        ledger: Arc<dyn Ledger>,
        config: Config,
        tls: Option<TlsFiles>,
        (database, mysql, folder): (Option<TestDatabase>, Option<TestMysql>, TempDir),
    ) -> Self {
        let engine = Engine::new(&config, ledger.clone(), Arc::new(SystemClock)).unwrap();
        let (live, of_live) = watch::channel(Arc::new(Live::new(config, engine)));
        let (status, of_status) = watch::channel(idle());
        let wake = Arc::new(Notify::new());
        let answered = Arc::new(Mutex::new(Vec::new()));
        let sink = answered.clone();
        let app = App {
            live: of_live,
            ledger: ledger.clone(),
            status: of_status,
            wake: wake.clone(),
            metrics: Arc::new(|| "ebbtide_build_info 1\n".into()),
            observer: Arc::new(move |answered| {
                let told = (
                    answered.route.into(),
                    answered.method.into(),
                    answered.status,
                );
                sink.lock().unwrap().push(told);
            }),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let until = shutdown.clone();
        let server = tokio::spawn(async move { serve(app, listener, tls.as_ref(), until).await });
        Self {
            url,
            ledger,
            live,
            status,
            wake,
            answered,
            database,
            client: Client::builder(TokioExecutor::new()).build_http(),
            shutdown,
            server,
            _kept: (mysql, folder),
        }
    }

    pub fn ask<'a>(&'a self, method: &str, path: &str) -> Ask<'a> {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("{}{path}", self.url));
        Ask {
            api: self,
            request,
            body: Body::empty(),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path).by("admin").send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path).by("admin").json(&body).send().await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path).by("admin").send().await
    }

    /// Reloads the configuration with changes.
    pub fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.live.borrow().config.clone();
        change(&mut config);
        let clock = Arc::new(SystemClock);
        let engine = Engine::new(&config, self.ledger.clone(), clock).unwrap();
        self.live.send_replace(Arc::new(Live::new(config, engine)));
    }

    /// Ends the server, and says how that went.
    pub async fn stop(self) -> std::io::Result<()> {
        self.shutdown.cancel();
        self.server.await.unwrap()
    }
}

/// A request in the making.
pub struct Ask<'a> {
    api: &'a Api,
    request: axum::http::request::Builder,
    body: Body,
}

impl Ask<'_> {
    pub fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Reply {
        let request = self.request.body(self.body).unwrap();
        let sent = tokio::time::timeout(Duration::from_mins(2), self.api.client.request(request));
        let response = sent.await.expect("an answer within two minutes").unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(Body::new(body), usize::MAX)
            .await
            .unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Fails the test unless the status is this.
    #[track_caller]
    pub fn has(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// Fails the test unless it is a problem of this kind.
    #[track_caller]
    pub fn problem(self, status: u16, kind: &str) -> Value {
        let reply = self.has(status);
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{reply:?}"
        );
        let problem = reply.json();
        assert_eq!(
            problem["type"],
            format!("urn:ebbtide:problem:{kind}"),
            "{problem}"
        );
        assert_eq!(problem["status"], status);
        problem
    }
}

pub fn idle() -> Status {
    Status {
        instance: "test".into(),
        phase: Phase::Idle,
        reason: "nothing is due".into(),
        since: Timestamp::now(),
        next_slot_at: None,
        n_slots: 1,
        done_permille: 1_000,
        cycle: None,
        last_success_at: None,
        config_error: None,
        targets: Vec::new(),
    }
}

/// Workspaces `w1`, `w2` and `w9` with 100 rows each in two tables, one a day.
async fn filled() -> TestDatabase {
    let database = TestDatabase::create().await;
    for table in ["spans", "traces"] {
        let create = format!(
            "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
             ENGINE = MergeTree ORDER BY (w, p, at)"
        );
        let fill = format!(
            "INSERT INTO {table} SELECT ['w1', 'w2', 'w9'][1 + number % 3], 'p', \
             now() - toIntervalDay(intDiv(number, 3)), number FROM numbers(300)"
        );
        for sql in [create, fill] {
            let done = database.client().query_raw(&sql).execute().await;
            done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
    }
    database
}
