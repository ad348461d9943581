//! Pace in the sidecar: it waits for its window and for ClickHouse, and its status says so.

use std::time::Duration;

use ebbtide::{Phase, Status};

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

/// More of the section `pace`.
pub fn pace(town: &Town, more: &str) {
    let text = std::fs::read_to_string(town.path()).unwrap();
    let before = "statements_per_minute: 6000";
    assert!(text.contains(before), "{text}");
    std::fs::write(
        town.path(),
        text.replace(before, &format!("{before}, {more}")),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_of_its_window_it_waits_and_says_when_it_opens() {
    let town = Town::new().await;
    pace(&town, "window: \"22:00-06:00\"");
    let clock = TestClock::at(12, 0);
    let mut sidecar = Running::start(&town, "one", &clock).await;
    let status = sidecar.until_phase(Phase::Waiting).await;
    assert!(
        status.reason.contains("pace.window 22:00-06:00"),
        "{status:?}"
    );
    assert!(status.reason.contains("T22:00:00Z"), "{status:?}");
    assert_eq!(town.mutations().await, 0);

    clock.turn(22, 0);
    sidecar.wake.notify_one();
    town.until_left("traces", N_OLD).await;
    sidecar.until_phase(Phase::Idle).await;
    sidecar.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_names_what_holds_which_table_back_and_since_when() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES traces").await;
    for _ in 0..5 {
        town.sql("ALTER TABLE traces UPDATE n = n + 1 WHERE 1 SETTINGS mutations_sync = 0")
            .await;
    }
    let mut sidecar = Running::start(&town, "one", &TestClock::at(12, 0)).await;
    let held = |status: &Status| {
        let held = status
            .targets
            .iter()
            .find(|target| target.table == "traces");
        held.is_some_and(|target| target.held_back_by.as_deref() == Some("unfinished_mutations"))
    };
    let status = tokio::time::timeout(Duration::from_mins(2), sidecar.status.wait_for(held));
    let status = status.await.unwrap().unwrap().clone();
    let of = |table: &str| {
        status
            .targets
            .iter()
            .find(|target| target.table == table)
            .unwrap()
    };
    assert!(of("traces").since.is_some(), "{status:?}");
    let reason = of("traces").reason.as_deref().unwrap();
    assert!(
        reason.contains("pace.backpressure.unfinished_mutations is 5"),
        "{reason}"
    );
    assert_eq!(of("spans").held_back_by, None);
    assert_eq!(
        town.count("traces").await,
        2 * N_OLD,
        "nothing went meanwhile"
    );
    let throttled = "ebbtide_throttled_seconds_total{reason=\"unfinished_mutations\"}";
    town.until("time that was waited", async || {
        let text = sidecar.metrics.render();
        let line = text.lines().find(|line| line.starts_with(throttled));
        line.is_some_and(|line| !line.ends_with(" 0"))
    })
    .await;

    town.sql("SYSTEM START MERGES traces").await;
    town.until_left("traces", N_OLD).await;
    let status = sidecar.until_phase(Phase::Idle).await;
    assert!(
        status
            .targets
            .iter()
            .all(|target| target.held_back_by.is_none()),
        "{status:?}"
    );
    sidecar.end().await;
}
