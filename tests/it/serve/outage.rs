//! Servers that go away and come back, and a sidecar that is killed in the middle.

use jiff::Timestamp;

use super::town::{N_OLD, SHORT_LEASE};
use super::{Process, Town};
use crate::support::{DeadStep, Mariadb, embedded_options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_killed_in_the_middle_is_followed_by_one_that_finishes() {
    let town = Town::new().await;
    town.configure("", SHORT_LEASE);
    town.sql("SYSTEM STOP MERGES spans").await;
    let mut first = town.start();
    town.until_mutations(1).await;
    first.kill();
    let second = town.start();
    second.until_phase("waiting");
    town.sql("SYSTEM START MERGES spans").await;
    town.until_ended("done").await;
    second.end();
    town.all_done_once().await;
    // Whoever came after it counted what became of its statement.
    let cycles = town.cycles().await;
    assert_eq!(cycles[0].0.end, None);
    let outcome = cycles[0].1[0].outcome.as_ref().unwrap();
    assert_eq!(
        (outcome.verdict.as_str(), outcome.rows_left),
        ("unknown", Some(0))
    );
}

/// A step as a process has recorded it that was killed before it sent anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_sidecar_never_sent_does_not_count_as_deleted() {
    let town = Town::new().await;
    town.configure(", max_share_of_table: 0.5", "");
    let ledger = town.ledger().await;
    let now = Timestamp::now();
    let step = DeadStep {
        shard: town.database.url(),
        method: "lightweight",
        n_workspaces: 8,
        rows_due: N_OLD,
        predicate: "at < now() - toIntervalDay(30)",
        at: now,
    };
    let lease = step
        .leave_in(&*ledger, std::time::Duration::from_secs(1))
        .await;
    let midnight = now - jiff::SignedDuration::from_secs(now.as_second().rem_euclid(86_400));
    let deleted = async |of: &str| {
        let all = ledger.deleted_since(midnight).await.unwrap();
        all.iter()
            .find(|rows| rows.table == of)
            .map(|rows| rows.n_rows)
    };
    assert_eq!(
        deleted("spans").await,
        Some(N_OLD),
        "all of it may have gone"
    );
    ledger.release_lease(&lease).await.unwrap();

    // Half of the table may go in a day, and half of it is due.
    let process = town.start();
    town.until_ended("done").await;
    process.until_logged("steps of a process that ended were settled");
    process.end();
    assert_eq!(town.count("spans").await, N_OLD);
    let cycles = town.cycles().await;
    let settled = cycles[0].1[0].outcome.as_ref().unwrap();
    assert_eq!(settled.rows_left, Some(N_OLD));
    assert_eq!(deleted("spans").await, Some(N_OLD), "by the sidecar alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_ledger_a_sidecar_is_not_ready_and_deletes_nothing_until_it_is_back() {
    let mut mariadb = Mariadb::start();
    let url = format!("{}/ebbtide", mariadb.url());
    create_database(&mariadb).await;
    let town = Town::with_ledger(&url).await;
    town.ledger().await.migrate().await.unwrap();
    town.rule("30d").await;
    mariadb.stop();

    // Down at the start: the process answers, is not ready, and deletes nothing of what is due.
    let verb = ["serve", "--migrate"];
    let password = town.database.password();
    let process = Process::start_with(&town.path(), town.folder.path(), password, &verb);
    process.until_logged("cannot go on");
    assert_eq!(process.ask("GET", "/health/livez", "").0, 200);
    let (code, body) = process.ask("GET", "/health/readyz", "");
    assert_eq!(code, 503);
    assert!(body.contains("cannot be reached"), "{body}");
    assert_eq!(process.metric("ebbtide_ready"), Some(0.0));
    assert_eq!(town.count("spans").await, 2 * N_OLD);
    mariadb.start_again();
    town.until_ended("done").await;
    process.until_phase("idle");
    assert_eq!(process.ask("GET", "/health/readyz", "").0, 200);
    assert_eq!(town.count("spans").await, N_OLD);

    // Down in between, and back.
    mariadb.stop();
    process.until_event("phase changed", |event| {
        event["from"] == "idle" && event["phase"] == "starting"
    });
    assert_eq!(process.ask("GET", "/health/readyz", "").0, 503);
    mariadb.start_again();
    process.until_phase("idle");
    assert!(process.metric("ebbtide_ledger_errors_total") >= Some(2.0));
    process.end();
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_goes_during_a_cycle_stops_it_before_the_next_statement() {
    let mut mariadb = Mariadb::start();
    let url = format!("{}/ebbtide", mariadb.url());
    create_database(&mariadb).await;
    let town = Town::with_ledger(&url).await;
    town.ledger().await.migrate().await.unwrap();
    town.rule("30d").await;
    town.configure("", SHORT_LEASE);
    town.sql("SYSTEM STOP MERGES spans").await;
    let process = town.start();
    town.until_mutations(1).await;
    mariadb.stop();
    process.until_logged("the lease");
    town.sql("SYSTEM START MERGES spans").await;
    town.until_left("spans", N_OLD).await;
    process.until_logged("cannot go on");
    assert_eq!(town.mutations().await, 1, "nothing more without the ledger");
    mariadb.start_again();
    town.until_ended("done").await;
    process.end();
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clickhouse_killed_during_a_statement_is_waited_for() {
    let mut server = ebbtide::Embedded::start(embedded_options()).unwrap();
    let town = Town::at(&server).await;
    town.sql("SYSTEM STOP MERGES spans").await;
    let process = town.start();
    town.until_mutations(1).await;
    server.kill().unwrap();
    process.until_event("phase changed", |event| event["phase"] == "starting");
    assert_eq!(process.ask("GET", "/health/readyz", "").0, 503);
    server.restart().unwrap();
    // The server goes on with the mutation by itself.
    town.until_ended("done").await;
    process.until_phase("idle");
    process.end();
    assert_eq!(
        (town.count("spans").await, town.count("traces").await),
        (N_OLD, N_OLD)
    );
    assert_eq!(town.mutations().await, 2, "one statement a table");
}

async fn create_database(mariadb: &Mariadb) {
    use mysql_async::prelude::Queryable as _;
    let opts = mysql_async::Opts::from_url(&mariadb.url()).unwrap();
    let mut connection = mysql_async::Conn::new(opts).await.unwrap();
    connection
        .query_drop("CREATE DATABASE ebbtide")
        .await
        .unwrap();
    connection.disconnect().await.unwrap();
}
