//! Policy look-ups under load: a process that serves the API over a real MariaDB with 100,000 rules, and
//! clients on the same machine. Prints requests per second, latencies and resident memory.
//!
//! Latencies count from the instant that a request was due, not from when it could be sent, so that a
//! stall is seen by all requests that it delays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::format_collect,
    unreachable_pub,
    dead_code,
    unused_imports,
    missing_docs,
    reason = "a benchmark says what is wrong by failing, and uses only some of the tests' support"
)]

/// The private `mariadbd` of the tests.
#[path = "../tests/it/support"]
mod support {
    mod clickhouse;
    #[cfg(feature = "testcontainers")]
    mod containers;
    mod mariadb;
    mod mysql;
    mod wait;

    pub use clickhouse::TestDatabase;
    pub use mariadb::Mariadb;
    pub use mysql::TestMysql;
    pub use wait::wait_until;

    /// Runs a future to its end, also inside a runtime.
    pub fn block_on<F>(future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        let run = || super::runtime().block_on(future);
        std::thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    fn unique_name() -> String {
        format!("ebbtide_bench_{}", uuid::Uuid::new_v4().simple())
    }
}

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use ebbtide::{
    Config, Engine, ImportRule, Ledger, NewApproval, NewRule, Scope, SystemClock, connect_ledger,
};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use support::{TestDatabase, TestMysql};

const N_RULES: u32 = 100_000;
const N_WORKSPACES: u32 = 100_000;
const N_ORGANIZATIONS: u32 = 5_000;
const RATE: u32 = 1_000;
const SECONDS: u32 = 30;
const N_CLIENTS: usize = 32;
/// The sidecar has made its first plan by then.
const START: Duration = Duration::from_secs(15);
/// Idle is who was asked nothing for so long.
const IDLE_AFTER_S: u64 = 180;

fn main() {
    runtime().block_on(measure());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A sidecar as it runs for years: it plans its slots, and answers.
fn config(ledger: &str, database: &TestDatabase, port: u16) -> String {
    let token = |name: &str| {
        let hash = format!("{:x}", Sha256::digest(name.as_bytes()));
        format!("{{name: {name}, role: admin, sha256: \"{hash}\"}}")
    };
    let (reader, writer) = (token("bench"), token("writer"));
    let (ledger, _) = ledger.split_once('?').unwrap_or((ledger, ""));
    format!(
        "version: 1\n\
         clickhouse: {{shards: [{{url: \"{}\"}}], database: {}, user: {}}}\n\
         ledger: {{url: \"{ledger}\"}}\n\
         retention: {{enabled: true, default: base_60d}}\n\
         api: {{listen: \"127.0.0.1:{port}\", tokens: [{reader}, {writer}]}}\n\
         targets: [{{table: traces, workspace: w, project: p, age: {{time: at}}}}]\n",
        database.url(),
        database.name(),
        database.user(),
    )
}

/// A port that nobody has at present.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn measure() {
    let database = TestMysql::create().await;
    let ledger = connect_ledger(database.url(), None).await.unwrap();
    ledger.migrate().await.unwrap();
    let began_at = Instant::now();
    fill(&*ledger).await;
    println!(
        "{N_RULES} rules and {N_WORKSPACES} workspaces imported in {:?}",
        began_at.elapsed()
    );
    let clickhouse = TestDatabase::create().await;
    let create =
        "CREATE TABLE traces (w String, p String, at DateTime) ENGINE = MergeTree ORDER BY (w, at)";
    clickhouse.client().query(create).execute().await.unwrap();
    let port = free_port();
    let text = config(database.url(), &clickhouse, port);
    approve(&Config::parse(&text).unwrap(), &ledger).await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, text).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .arg("-c")
        .arg(&file)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}");
    support::wait_until("the sidecar listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let client = Client::builder(TokioExecutor::new()).build_http();
    tokio::time::sleep(START).await;
    let started = memory(&server, "VmRSS");
    println!("resident memory {START:?} after the start, before any request: {started} MB");

    let began_at = Instant::now();
    look_up(&client, &url, 0).await;
    println!(
        "first look-up, which reads all rules: {:?}",
        began_at.elapsed()
    );
    let (n_requests, elapsed, mut latencies) = closed_loop(&client, &url).await;
    let rate = n_requests as f64 / elapsed.as_secs_f64();
    report(
        &format!("{N_CLIENTS} clients, as fast as they can: {rate:.0} requests/s"),
        &mut latencies,
    );

    let mut latencies = open_loop(&client, &url).await;
    let quiet_p99 = report(
        &format!("{RATE} requests/s for {SECONDS} s, nothing changes"),
        &mut latencies,
    );

    let changing = tokio::spawn(change_rules(ledger.clone()));
    let mut latencies = open_loop(&client, &url).await;
    let n_changes = changing.await.unwrap();
    let what = format!(
        "{RATE} requests/s for {SECONDS} s, {n_changes} changes of rules by others meanwhile"
    );
    let changing_p99 = report(&what, &mut latencies);

    let changing = tokio::spawn(set_rules(client.clone(), url.clone()));
    let mut latencies = open_loop(&client, &url).await;
    let n_changes = changing.await.unwrap();
    let what = format!(
        "{RATE} requests/s for {SECONDS} s, {n_changes} changes of rules through the same sidecar \
         meanwhile"
    );
    let own_p99 = report(&what, &mut latencies);

    let most = memory(&server, "VmHWM");
    println!("resident memory at most: {most} MB");
    let idle = idle_memory(&server).await;
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    for p99 in [quiet_p99, changing_p99, own_p99] {
        let is_met = p99 < Duration::from_millis(50);
        assert!(is_met, "p99 is {p99:?}; the target is 50 ms");
    }
    assert!(idle < 100, "{idle} MB when idle; the target is 100 MB");
}

async fn fill(ledger: &dyn Ledger) {
    let mut pairs = (0..N_WORKSPACES).map(|number| {
        let organization = format!("organization-{}", number % N_ORGANIZATIONS);
        Ok((workspace(number).into(), organization.into()))
    });
    ledger.put_workspaces(&mut pairs, "bench").await.unwrap();
    let mut rules = (0..N_RULES).map(|number| {
        let scope = match number % 20 {
            0 => Scope::Organization(format!("organization-{}", number / 20).into()),
            1 => Scope::Project {
                workspace: workspace(number).into(),
                project: "project".into(),
            },
            _ => Scope::Workspace(workspace(number).into()),
        };
        let retentions = ["short_14d", "base_60d", "extended_400d", "unlimited", "30d"];
        Ok(ImportRule {
            scope,
            retention: retentions[number as usize % retentions.len()].into(),
            apply_to_past: number % 3 != 0,
            created_at: None,
        })
    });
    ledger
        .import_rules(&mut rules, "bench", Timestamp::now())
        .await
        .unwrap();
}

fn workspace(number: u32) -> String {
    format!("workspace-{number:08}-0123-4567-89ab-cdef01234567")
}

/// Approves the rules as they are, so that later changes have a base to be compared with.
async fn approve(config: &Config, ledger: &Arc<dyn Ledger>) {
    let engine = Engine::new(config, ledger.clone(), Arc::new(SystemClock)).unwrap();
    engine.note_settings("bench").await.unwrap();
    let approval = NewApproval {
        revision: ledger.revision().await.unwrap(),
        plan_digest: "bench".into(),
        at: Timestamp::now(),
    };
    ledger.approve(&approval, "bench").await.unwrap();
}

async fn change_rules(ledger: Arc<dyn Ledger>) -> u32 {
    let n_changes = SECONDS / 5;
    for number in 0..n_changes {
        let rule = NewRule {
            scope: Scope::Workspace(workspace(number).into()),
            retention: format!("{}d", 7 + number),
            apply_to_past: true,
            created_at: Timestamp::now(),
        };
        ledger.create_rule(&rule, "bench".into()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    n_changes
}

/// Sets rules through the API, each of which its token sees at once.
async fn set_rules(client: Http, url: String) -> u32 {
    let n_changes = SECONDS / 5;
    for number in 0..n_changes {
        let (workspace, retention) = (workspace(number), format!("{}d", 100 + number));
        let body = format!("{{\"workspace\": \"{workspace}\", \"retention\": \"{retention}\"}}");
        let set = Request::post(format!("{url}/v1/rules"))
            .header("authorization", "Bearer writer")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        assert_eq!(client.request(set).await.unwrap().status(), 201);
        let look_up = Request::get(format!("{url}/v1/policies/{workspace}"))
            .header("authorization", "Bearer writer")
            .body(Body::empty())
            .unwrap();
        let response = client.request(look_up).await.unwrap();
        let body = axum::body::to_bytes(Body::new(response.into_body()), usize::MAX);
        let body = String::from_utf8(body.await.unwrap().to_vec()).unwrap();
        assert!(body.contains(&retention), "{body}");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    n_changes
}

type Http = Client<HttpConnector, Body>;

async fn look_up(client: &Http, url: &str, number: u32) {
    let workspace = workspace(number.wrapping_mul(2_654_435_761) % N_WORKSPACES);
    let request = Request::get(format!("{url}/v1/policies/{workspace}"))
        .header("authorization", "Bearer bench")
        .body(Body::empty())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(Body::new(response.into_body()), usize::MAX)
        .await
        .unwrap();
    let is_answer = status == 200 && body.starts_with(b"{\"workspace\":");
    assert!(is_answer, "{status}: {}", String::from_utf8_lossy(&body));
}

async fn closed_loop(client: &Http, url: &str) -> (usize, Duration, Vec<Duration>) {
    let began_at = Instant::now();
    let tasks = (0..N_CLIENTS).map(|task| {
        let (client, url) = (client.clone(), url.to_owned());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while began_at.elapsed() < Duration::from_secs(10) {
                let sent_at = Instant::now();
                look_up(&client, &url, (latencies.len() * N_CLIENTS + task) as u32).await;
                latencies.push(sent_at.elapsed());
            }
            latencies
        })
    });
    let latencies: Vec<Duration> = futures_util::future::join_all(tasks)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    (latencies.len(), began_at.elapsed(), latencies)
}

async fn open_loop(client: &Http, url: &str) -> Vec<Duration> {
    let began_at = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..RATE * SECONDS {
        let due_at = began_at + Duration::from_secs(1) * number / RATE;
        tokio::time::sleep_until(due_at.into()).await;
        let (client, url) = (client.clone(), url.to_owned());
        tasks.push(tokio::spawn(async move {
            look_up(&client, &url, number).await;
            due_at.elapsed()
        }));
    }
    futures_util::future::join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// What a process needs that nobody asks anything for a while.
async fn idle_memory(server: &Child) -> u64 {
    let mut idle = 0;
    let ended_at = Instant::now();
    for after in [5, 30, 60, 120, IDLE_AFTER_S] {
        let after = Duration::from_secs(after);
        tokio::time::sleep_until((ended_at + after).into()).await;
        idle = memory(server, "VmRSS");
        println!("resident memory {after:?} after the last request: {idle} MB");
    }
    idle
}

/// Prints how long requests took; returns the 99th percentile.
fn report(what: &str, latencies: &mut [Duration]) -> Duration {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    at(0.99)
}

/// In MB.
fn memory(process: &Child, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1_000
}
