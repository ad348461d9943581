//! What is left, how far a cycle is, and when it should be over: the status of a sidecar, and
//! `ebbtide status`, which asks the ledger alone.

use std::process::Command;

use ebbtide::{Phase, TargetStatus};
use serde_json::Value;

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

fn of_cycle(running: &Running) -> Vec<(u64, u64)> {
    let of = |target: &TargetStatus| (target.cycle_rows_due, target.cycle_rows_deleted);
    running.status.borrow().targets.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_at_work_says_how_far_it_is() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES traces").await;
    let mut sidecar = Running::start(&town, "one", &TestClock::at(10, 0)).await;
    town.until_mutations(2).await;
    assert_eq!(of_cycle(&sidecar), [(N_OLD, N_OLD), (N_OLD, 0)]);
    town.sql("SYSTEM START MERGES traces").await;
    let status = sidecar.until_phase(Phase::Idle).await;
    assert_eq!(of_cycle(&sidecar), [(N_OLD, N_OLD), (N_OLD, N_OLD)]);
    let is_over = |target: &TargetStatus| target.backlog_rows == 0 && target.eta.is_none();
    assert!(status.targets.iter().all(is_over), "{status:#?}");
    sidecar.end().await;
}

/// What `ebbtide status` says, as JSON and for people.
fn asked(town: &Town) -> (Value, String) {
    let ask = |format: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args(["-c", town.path().to_str().unwrap(), format, "status"])
            .env("EBBTIDE_TEST_PASSWORD", town.database.password())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json = ask("--format=json");
    (serde_json::from_str(&json).unwrap(), ask("--format=text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_has_an_eta_once_the_steps_of_the_table_say() {
    let town = Town::new().await;
    let clock = TestClock::live(jiff::Timestamp::now());
    let (_, text) = asked(&town);
    assert!(text.contains("no sidecar has looked yet"), "{text}");

    // Nothing was ever deleted: there is a backlog, and nobody knows how long it takes.
    town.configure(", enabled: false", "");
    let mut dry = Running::start(&town, "dry", &clock).await;
    let looked = |status: &ebbtide::Status| {
        status
            .targets
            .iter()
            .all(|target| target.backlog_rows == N_OLD)
    };
    let status = dry.status.wait_for(looked).await.unwrap().clone();
    assert!(status.targets.iter().all(|target| target.eta.is_none()));
    dry.end().await;
    let (json, _) = asked(&town);
    let spans = &json["targets"][0];
    assert_eq!(
        (&spans["table"], &spans["backlog_rows"], &spans["eta"]),
        (&"spans".into(), &N_OLD.into(), &Value::Null)
    );

    town.configure("", "");
    let mut real = Running::start(&town, "real", &clock).await;
    real.until_phase(Phase::Idle).await;
    real.end().await;
    let (json, _) = asked(&town);
    assert_eq!(json["targets"][0]["backlog_rows"], 0);
    assert!(
        json["targets"][0]["rows_per_second"].as_u64() > Some(0),
        "{json}"
    );
    assert!(
        json["last_success_at"].is_string() && json["holder"].is_null(),
        "{json}"
    );

    for table in ["spans", "traces"] {
        town.fill(table, 100).await;
    }
    town.configure(", enabled: false", "");
    let mut dry = Running::start(&town, "dry", &clock).await;
    let has_eta = |status: &ebbtide::Status| {
        let of = |target: &TargetStatus| target.backlog_rows == N_OLD && target.eta.is_some();
        status.targets.iter().all(of)
    };
    let seen = dry.status.wait_for(has_eta);
    let seen = tokio::time::timeout(std::time::Duration::from_mins(2), seen).await;
    seen.expect("an ETA within two minutes").unwrap();
    let (json, text) = asked(&town);
    for target in json["targets"].as_array().unwrap() {
        assert_eq!(target["backlog_rows"], N_OLD, "{json}");
        assert!(target["seconds_left"].as_u64() > Some(0), "{json}");
        assert!(target["eta"].is_string(), "{json}");
    }
    assert!(text.contains("as `ebbtide serve` looked last"), "{text}");
    dry.end().await;
}
