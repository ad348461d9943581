//! `/v1/status` of a sidecar and `ebbtide status`, which asks ledger and servers itself, say the same.

use std::process::Command;
use std::time::Duration;

use ebbtide::{Look, QuarantineState, SlotRange};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Town;
use super::quarantined::Quarantined;
use super::town::N_OLD;
use crate::support::wait_until;

/// What `ebbtide status` says.
fn asked(town: &Town, format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args([
            "-c",
            town.path().to_str().unwrap(),
            "--format",
            format,
            "status",
        ])
        .env("EBBTIDE_TEST_PASSWORD", town.database.password())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn view(town: &Town) -> Value {
    serde_json::from_str(&asked(town, "json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_of_each_table_what_the_sidecar_says() {
    let town = Town::new().await;
    // Each workspace has twenty rows: one of them is within the budget, and the others wait.
    town.configure(", enabled: false, budget: {rows: 30}", "");
    town.sql("ALTER TABLE traces MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")
        .await;
    town.sql("DELETE FROM traces WHERE n % 2 = 0 AND at > now() - toIntervalDay(30)")
        .await;
    let until = Timestamp::now() + Duration::from_hours(24);
    let quarantined = Quarantined::begin(&town, until).await;
    quarantined.change(QuarantineState::Kept).await;
    quarantined.release().await;
    let process = town.start();
    let of_sidecar = |table: usize| process.get("/v1/status")["targets"][table].clone();
    wait_until("what is left and what deleted rows hold", || {
        let traces = of_sidecar(1);
        traces["dead_bytes"].as_u64() > Some(0) && traces["backlog_rows"] == N_OLD
    });
    let view = view(&town);
    assert_eq!(view["enabled"], false);
    for (index, table) in ["spans", "traces"].into_iter().enumerate() {
        let (sidecar, command) = (of_sidecar(index), &view["targets"][index]);
        for key in [
            "table",
            "held_back_by",
            "reason",
            "stalled",
            "backlog_rows",
            "deferred_rows",
            "waiting_rows",
            "retention_lag_seconds",
            "eta",
            "dead_bytes",
            "dead_seen_at",
            "quarantined_bytes",
            "quarantined_until",
        ] {
            assert_eq!(
                sidecar[key], command[key],
                "{table}.{key}: {sidecar:#}\n{view:#}"
            );
        }
        assert_eq!(command["deferred_rows"], N_OLD - N_OLD / 8, "{view:#}");
    }
    let (spans, traces) = (&view["targets"][0], &view["targets"][1]);
    assert!(traces["dead_bytes"].as_u64() > Some(0), "{view:#}");
    assert!(traces["reclaim_lag_seconds"].is_u64(), "{view:#}");
    assert_eq!(spans["dead_bytes"], 0, "{view:#}");
    assert_eq!(
        (&spans["quarantined_bytes"], &traces["quarantined_until"]),
        (&json!(77), &Value::Null)
    );
    let text = asked(&town, "text");
    let until = spans["quarantined_until"].as_str().unwrap();
    assert!(text.contains(until), "{text}");
    assert!(text.contains("retention.enabled is false"), "{text}");
    process.end();
}

/// Only a cycle can know this: the ledger says it to everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cycle_was_refused_for_is_said_by_the_command_too() {
    let town = Town::new().await;
    town.configure(", max_share_of_table: 0.1", "");
    let process = town.start();
    let of_sidecar = || process.get("/v1/status")["targets"][0].clone();
    wait_until("a refusal", || of_sidecar()["held_back_by"] == "refused");
    let view = view(&town);
    let spans = &view["targets"][0];
    assert_eq!(spans["held_back_by"], "refused", "{view:#}");
    let why = spans["reason"].as_str().unwrap();
    assert!(why.contains("max_share_of_table"), "{why}");
    assert_eq!(spans["reason"], of_sidecar()["reason"]);
    process.end();
}

/// Who only looks once does not know what is usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_only_a_cycle_can_see_is_said_with_its_time() {
    let town = Town::new().await;
    let ledger = town.ledger().await;
    let note = async |held: Value, at: &str| {
        let look = Look {
            range: SlotRange::ALL,
            at: at.parse().unwrap(),
            terms: String::new(),
            body: json!({"spans": {"held": held}}).to_string(),
        };
        ledger.note_look(&look).await.unwrap();
        let spans = view(&town)["targets"][0].clone();
        (spans["held_back_by"].clone(), spans["reason"].clone())
    };
    let slow = json!({"by": "foreground_latency", "reason": "a small read takes 900 ms"});
    let held = note(slow, "2026-11-21T10:00:00Z").await;
    let why = "as a cycle found at 2026-11-21T10:00:00Z: a small read takes 900 ms";
    assert_eq!(held, (json!("foreground_latency"), json!(why)));
    // What was asked just now is known better.
    let blind = json!({"by": "unreadable", "reason": "no grant"});
    let held = note(blind, "2026-11-21T10:10:00Z").await;
    assert_eq!(held, (Value::Null, Value::Null));
}
