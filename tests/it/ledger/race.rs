//! Two processes that create rules for the same scopes at once leave one active rule each.
//!
//! A test of this file runs itself again as two more processes: with `EBBTIDE_TEST_RACE` set to the
//! ledger's URL it is a contender, without it the referee.

use std::collections::HashMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use ebbtide::connect_ledger;
use mysql_async::prelude::Queryable;

use super::{Fresh, chain, rule, workspace};

const CONTENDER: &str = "EBBTIDE_TEST_RACE";
const N_CONTENDERS: usize = 2;
const N_ROUNDS: usize = 25;

/// Creates a rule for each scope, as fast as it can, from the moment that stdin ends.
async fn contend(url: &str) {
    let ledger = connect_ledger(url, None).await.unwrap();
    ledger.check_schema().await.unwrap();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let by = std::process::id().to_string();
    for round in 0..N_ROUNDS {
        let rule = rule(workspace(&format!("w{round}")), "7d");
        let created = ledger.create_rule(&rule, by.as_str().into()).await;
        created.unwrap_or_else(|error| panic!("{}", chain(error)));
    }
}

fn spawn(test: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("ledger::race::{test}"), "--exact", "--nocapture"])
        .env(CONTENDER, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until the contender is ready.
fn wait_until_ready(child: &mut Child) {
    let mut said = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    while !said.contains("ready\n") {
        let mut byte = [0];
        let n_read = stdout.read(&mut byte).unwrap();
        if n_read == 0 {
            let mut errors = String::new();
            child
                .stderr
                .as_mut()
                .unwrap()
                .read_to_string(&mut errors)
                .unwrap();
            panic!("the contender ended before it was ready: {said}{errors}");
        }
        said.push(char::from(byte[0]));
    }
}

async fn referee(test: &str, fresh: &Fresh) {
    let mut children: Vec<_> = (0..N_CONTENDERS).map(|_| spawn(test, &fresh.url)).collect();
    children.iter_mut().for_each(wait_until_ready);
    let gates: Vec<_> = children
        .iter_mut()
        .map(|child| child.stdin.take().unwrap())
        .collect();
    drop(gates);
    for child in children {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{errors}{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    let history = fresh.rules(true).await;
    assert_eq!(history.len(), N_CONTENDERS * N_ROUNDS);
    let mut n_active = HashMap::new();
    let mut last = HashMap::new();
    for record in &history {
        *n_active.entry(&record.rule.scope).or_insert(0) += i32::from(record.deactivated.is_none());
        last.insert(&record.rule.scope, record);
    }
    assert_eq!(n_active.len(), N_ROUNDS);
    assert!(
        n_active.values().all(|n_active| *n_active == 1),
        "{n_active:?}"
    );
    assert!(
        last.values().all(|record| record.deactivated.is_none()),
        "the last one holds"
    );
    assert_eq!(
        fresh.revision().await,
        u64::try_from(history.len()).unwrap()
    );
}

async fn race(test: &str, fresh: impl Future<Output = Fresh>) {
    match std::env::var(CONTENDER) {
        Ok(url) => contend(&url).await,
        Err(_) => referee(test, &fresh.await).await,
    }
}

#[tokio::test]
async fn two_processes_on_sqlite() {
    race("two_processes_on_sqlite", Fresh::sqlite()).await;
}

#[tokio::test]
async fn two_processes_on_mysql() {
    race("two_processes_on_mysql", Fresh::mysql()).await;
}

const LEVELS: [&str; 4] = [
    "READ UNCOMMITTED",
    "READ COMMITTED",
    "REPEATABLE READ",
    "SERIALIZABLE",
];

/// Without the ledger's own order of locks: two transactions that both saw no active rule.
#[tokio::test]
async fn the_key_holds_between_two_transactions_at_any_isolation_level() {
    let insert = "INSERT INTO rules (scope_kind, workspace, scope_key, retention, apply_to_past, \
                  created_at, created_by) VALUES ('workspace', 'w', REPEAT('k', 32), '7d', 1, NOW(), 'x')";
    for level in LEVELS {
        let fresh = Fresh::mysql().await;
        let pool = mysql_async::Pool::from_url(fresh.url.as_str()).unwrap();
        let (mut a, mut b) = (
            pool.get_conn().await.unwrap(),
            pool.get_conn().await.unwrap(),
        );
        for connection in [&mut a, &mut b] {
            let sql = format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}");
            connection.query_drop(sql).await.unwrap();
            connection.query_drop("BEGIN").await.unwrap();
        }
        a.query_drop(insert).await.unwrap();
        let second = tokio::spawn(async move { (b.query_drop(insert).await, b) });
        a.query_drop("COMMIT").await.unwrap();
        let (refused, mut b) = second.await.unwrap();
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("Duplicate entry"), "{level}: {error}");
        b.query_drop("ROLLBACK").await.unwrap();
        assert_eq!(fresh.rules(true).await.len(), 1, "{level}");
    }
}
