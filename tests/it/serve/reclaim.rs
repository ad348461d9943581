//! Reclaim in the sidecar: it says what deleted rows hold, and frees it only where it may.

use ebbtide::{Clock as _, Phase};
use jiff::SignedDuration;

use super::day::{Running, TestClock};
use super::pace::pace;
use super::town::N_OLD;
use super::{Process, Town};
use crate::warehouse::proxy;

/// `traces` as they are, with half of the rows of one part deleted, and no merge that takes them.
async fn town(reclaim: &str) -> Town {
    let town = Town::new().await;
    town.configure("", &format!("reclaim: {{after: 0s{reclaim}}}\n"));
    for table in ["spans", "traces"] {
        town.sql(&format!(
            "ALTER TABLE {table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1"
        ))
        .await;
    }
    town.sql("DELETE FROM traces WHERE n % 2 = 0 AND at > now() - toIntervalDay(30)")
        .await;
    town
}

async fn rewrites(town: &Town) -> u64 {
    let database = town.database.name();
    town.count(&format!(
        "system.mutations WHERE database = '{database}' AND command LIKE '%APPLY %'"
    ))
    .await
}

const DEAD: &str = "ebbtide_dead_bytes{table=\"traces\"}";
const LAG: &str = "ebbtide_reclaim_lag_seconds{table=\"traces\"}";
const FREED: &str = "ebbtide_reclaimed_bytes_total{table=\"traces\"}";

async fn until(town: &Town, process: &Process, what: &str, is_it: impl Fn(&Process) -> bool) {
    town.until(what, async || is_it(process)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_off_it_only_says_what_deleted_rows_hold() {
    let town = town("").await;
    let process = town.start();
    let positive = |name: &'static str| move |process: &Process| process.metric(name) > Some(0.0);
    until(&town, &process, "bytes of deleted rows", positive(DEAD)).await;
    until(&town, &process, "their age", positive(LAG)).await;
    let status = process.until_phase("idle");
    let traces = &status["targets"][1];
    assert_eq!(traces["table"], "traces");
    assert!(traces["dead_bytes"].as_u64() > Some(0), "{status}");
    assert!(traces["reclaim_lag_seconds"].as_u64() > Some(0), "{status}");
    // Another instance says the same, and has not looked itself.
    let other = town.start();
    let bytes = process.metric(DEAD);
    until(&town, &other, "the same bytes", |other| {
        other.metric(DEAD) == bytes
    })
    .await;
    assert_eq!(rewrites(&town).await, 0);
    other.end();
    process.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_slot_is_due_it_frees_the_disk_of_one_partition_after_another() {
    let town = town(", enabled: true").await;
    let process = town.start();
    town.until_ended("reclaimed").await;
    let freed = |process: &Process| process.metric(FREED) > Some(0.0);
    until(&town, &process, "bytes that are free", freed).await;
    let none = |process: &Process| process.metric(DEAD) == Some(0.0);
    until(&town, &process, "no deleted row on disk", none).await;
    assert_eq!(process.metric(LAG), Some(0.0));
    let kinds: Vec<String> = town
        .cycles()
        .await
        .into_iter()
        .map(|(cycle, _)| cycle.start.kind)
        .collect();
    let slot = kinds.iter().position(|kind| kind == "slot");
    let reclaim = kinds.iter().position(|kind| kind == "reclaim");
    assert!(slot < reclaim, "slots come first: {kinds:?}");
    let event = process.until_logged("reclaim");
    assert_eq!(event["outcome"], "freed", "{event}");
    process.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_plans_frees_nothing() {
    let town = town(", enabled: true").await;
    town.configure(", enabled: false", "reclaim: {after: 0s, enabled: true}\n");
    let process = town.start();
    let positive = |process: &Process| process.metric(DEAD) > Some(0.0);
    until(&town, &process, "bytes of deleted rows", positive).await;
    process.until_phase("dry_run");
    assert_eq!(rewrites(&town).await, 0);
    process.end();
}

/// Merges that are stopped stop a cycle where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_backlog_goes_on_from_cycle_to_cycle_it_looks_at_its_interval() {
    let town = Town::new().await;
    // Each workspace has twenty rows: a cycle is one of them.
    town.configure(", budget: {rows: 30}", "");
    let ledger = town.ledger().await;
    let looked_at = async || {
        let notes = ledger.remains().await.unwrap();
        notes.iter().map(|note| note.at).min()
    };
    town.sql("SYSTEM STOP MERGES traces").await;
    let clock = TestClock::at(12, 0);
    let sidecar = Running::start(&town, "one", &clock).await;
    town.until_mutations(2).await;
    assert_eq!(
        looked_at().await,
        Some(clock.now()),
        "before the first cycle"
    );

    clock.turn(12, 599);
    town.sql("SYSTEM STOP MERGES spans").await;
    town.sql("SYSTEM START MERGES traces").await;
    town.until_mutations(3).await;
    assert!(looked_at().await < Some(clock.now()), "it is not old yet");

    clock.turn(12, 600);
    town.sql("SYSTEM STOP MERGES traces").await;
    town.sql("SYSTEM START MERGES spans").await;
    town.until_mutations(4).await;
    town.sql("SYSTEM STOP MERGES spans").await;
    town.sql("SYSTEM START MERGES traces").await;
    town.until_mutations(5).await;
    assert_eq!(
        looked_at().await,
        Some(clock.now()),
        "before the third cycle"
    );
    let n_left = town.count("traces").await - N_OLD;
    assert!(n_left > N_OLD / 2, "{n_left} rows of the backlog are left");
    town.sql("SYSTEM START MERGES spans").await;
    sidecar.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_its_window_it_looks() {
    let town = town("").await;
    pace(&town, "window: \"22:00-06:00\"");
    let mut sidecar = Running::start(&town, "one", &TestClock::at(12, 0)).await;
    let seen = sidecar.status.wait_for(|status| {
        status.phase == Phase::Waiting && status.targets.iter().any(|target| target.dead_bytes > 0)
    });
    let seen = tokio::time::timeout(std::time::Duration::from_mins(2), seen).await;
    let status = seen.expect("a look within two minutes").unwrap().clone();
    assert!(status.reason.contains("pace.window"), "{status:?}");
    assert!(
        status
            .targets
            .iter()
            .all(|target| target.dead_seen_at.is_some())
    );
    assert_eq!(town.mutations().await, 0);
    sidecar.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_that_take_longer_than_their_interval_leave_time_for_slots() {
    let town = town("").await;
    let clock = TestClock::at(12, 0);
    // Ten minutes pass whenever deleted rows are counted.
    let pass = {
        let clock = clock.clone();
        move || {
            clock.set(clock.now() + SignedDuration::from_mins(10));
            true
        }
    };
    let direct = town.database.url();
    let url = proxy::noticing(direct, "masked_rows", pass).await;
    let text = std::fs::read_to_string(town.path()).unwrap();
    std::fs::write(town.path(), text.replace(direct, &url)).unwrap();
    let began_at = clock.now();
    let sidecar = Running::start(&town, "one", &clock).await;
    town.until_left("spans", N_OLD).await;
    assert!(clock.now() > began_at, "a look came before it");
    sidecar.end().await;
}
