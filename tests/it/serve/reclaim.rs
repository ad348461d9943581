//! Reclaim in the sidecar: it says what deleted rows hold, and frees it only where it may.

use super::{Process, Town};

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
