//! A new install: nothing goes until somebody has looked, and then at once.

use serde_json::Value;

use super::Town;
use super::town::N_OLD;
use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_kept_approved_over_the_api_and_applied() {
    let town = Town::new().await;
    town.configure(", approval: required", "");
    let process = town.start();
    let mut plans = Value::Null;
    wait_until("a plan is kept for review", || {
        plans = process.get("/v1/plans");
        plans["items"]
            .as_array()
            .is_some_and(|plans| !plans.is_empty())
    });
    process.until_phase("idle");
    let plan = &plans["items"][0];
    assert_eq!(plan["status"], "pending");
    assert_eq!(plan["n_due"], 2 * N_OLD);
    assert_eq!(process.metric("ebbtide_plans_pending"), Some(1.0));
    assert_eq!(
        process.metric("ebbtide_waiting_rows{table=\"traces\"}"),
        Some(80.0)
    );
    let status = process.get("/v1/status");
    assert_eq!(status["targets"][0]["held_back_by"], "approval", "{status}");
    assert_eq!(
        (town.count("spans").await, town.mutations().await),
        (2 * N_OLD, 0)
    );

    let path = format!("/v1/plans/{}/approve", plan["id"].as_str().unwrap());
    let (code, body) = process.ask("POST", &path, "");
    assert!((200..300).contains(&code), "{code} {body}");
    town.until_left("traces", N_OLD).await;
    wait_until("the plan is applied", || {
        process.get("/v1/plans")["items"][0]["status"] == "applied"
    });
    process.end();
    town.all_done_once().await;
    let cycles = town.cycles().await;
    let applied: Vec<&str> = cycles
        .iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(cycle, _)| cycle.start.kind.as_str())
        .collect();
    assert_eq!(applied, ["apply"]);
}
