//! A new install: nothing goes until somebody has looked, and then at once.

use ebbtide::{Clock as _, Embedded, Phase, Plan, PlanApproval, PlanStatus};
use jiff::Timestamp;
use serde_json::Value;

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;
use crate::support::{embedded_options, wait_until};

async fn plans(town: &Town) -> Vec<(String, PlanStatus)> {
    let plans = town.ledger().await.plans_before(None, 10).await.unwrap();
    let plans = plans.into_iter();
    plans.map(|plan| (plan.id, plan.status)).collect()
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_an_earlier_revision_becomes_stale_and_another_one_is_kept() {
    let town = Town::new().await;
    town.configure(", approval: required", "");
    let clock = TestClock::at(10, 0);
    let mut sidecar = Running::start(&town, "me", &clock).await;
    sidecar.until_phase(Phase::Idle).await;
    let before = plans(&town).await;
    let [(first, PlanStatus::Pending)] = &before[..] else {
        panic!("{before:?}")
    };
    town.rule("29d").await;
    sidecar.wake.notify_one();
    town.until("the plan is stale", async || {
        plans(&town).await == [(first.clone(), PlanStatus::Stale)]
    })
    .await;
    let approved = town
        .ledger()
        .await
        .approve_plan(first, "ann", Timestamp::now())
        .await
        .unwrap();
    assert!(
        !matches!(approved, PlanApproval::Done),
        "nobody saw what it would do now: {approved:?}"
    );

    clock.turn(10, 900);
    makes_room(&town, sidecar, first).await;
    assert_eq!(town.mutations().await, 0);
}

/// Another plan is kept, and the first one is stale.
async fn makes_room(town: &Town, sidecar: Running, first: &str) {
    sidecar.wake.notify_one();
    town.until("another plan is kept", async || {
        plans(town).await.len() == 2
    })
    .await;
    sidecar.end().await;
    let after = plans(town).await;
    assert_eq!(after[0].1, PlanStatus::Pending);
    assert_eq!(after[1], (first.to_owned(), PlanStatus::Stale));
}

/// A town with the same tables on a second shard, and an approval to wait for.
struct TwoShards {
    _here: Embedded,
    away: Embedded,
    remote: clickhouse::Client,
    town: Town,
}

impl TwoShards {
    async fn start() -> Self {
        let away = Embedded::start(embedded_options()).unwrap();
        let here = Embedded::start(embedded_options()).unwrap();
        let town = Town::at(&here).await;
        let remote = clickhouse::Client::default().with_url(away.url());
        let name = town.database.name();
        remote
            .query(&format!("CREATE DATABASE {name}"))
            .execute()
            .await
            .unwrap();
        let remote = remote.with_database(name);
        for table in ["spans", "traces"] {
            for sql in [
                format!(
                    "CREATE TABLE {table} (w String, at DateTime('UTC'), n UInt64) \
                     ENGINE = MergeTree ORDER BY (w, at)"
                ),
                format!(
                    "INSERT INTO {table} SELECT 'w1', now() - toIntervalDay(100), number \
                     FROM numbers(9)"
                ),
            ] {
                remote.query(&sql).execute().await.unwrap();
            }
        }
        town.configure(", approval: required", "");
        let text = std::fs::read_to_string(town.path()).unwrap();
        let one = format!("{{url: \"{}\"}}", here.url());
        let both = format!("{one}, {{url: \"{}\"}}", away.url());
        std::fs::write(town.path(), text.replace(&one, &both)).unwrap();
        Self {
            _here: here,
            away,
            remote,
            town,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_nobody_could_approve_is_not_kept_but_a_later_one() {
    let mut shards = TwoShards::start().await;
    let town = &shards.town;
    shards.away.kill().unwrap();
    let clock = TestClock::at(10, 0);
    let mut sidecar = Running::start(town, "me", &clock).await;
    sidecar.until_phase(Phase::Waiting).await;
    assert_eq!(plans(town).await, []);
    shards.away.restart().unwrap();
    clock.turn(11, 0);
    town.until("a plan is kept", async || {
        sidecar.wake.notify_one();
        !plans(town).await.is_empty()
    })
    .await;
    sidecar.end().await;
    let kept = plans(town).await;
    let [(id, PlanStatus::Pending)] = &kept[..] else {
        panic!("{kept:?}")
    };
    let (_, body) = town.ledger().await.kept_plan(id).await.unwrap().unwrap();
    let plan: Plan = serde_json::from_str(&body).unwrap();
    assert!(plan.unprobed.is_empty(), "else nobody may approve it");
    assert_eq!(plan.steps.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_became_too_old_makes_room_for_another_one() {
    let town = Town::new().await;
    town.configure(", approval: required", "");
    let clock = TestClock::at(10, 0);
    let mut sidecar = Running::start(&town, "me", &clock).await;
    sidecar.until_phase(Phase::Idle).await;
    let first = plans(&town).await[0].0.clone();
    clock.set(clock.now() + jiff::SignedDuration::from_hours(8 * 24));
    makes_room(&town, sidecar, &first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_plan_that_cannot_be_applied_holds_up_no_slot() {
    let TwoShards {
        _here,
        mut away,
        remote,
        town,
    } = TwoShards::start().await;
    let clock = TestClock::at(10, 0);
    let mut morning = Running::start(&town, "morning", &clock).await;
    morning.until_phase(Phase::Idle).await;
    morning.end().await;
    let plan = plans(&town).await[0].0.clone();

    away.kill().unwrap();
    let ledger = town.ledger().await;
    let approved = ledger.approve_plan(&plan, "ann", Timestamp::now()).await;
    assert!(matches!(approved.unwrap(), PlanApproval::Done));
    clock.turn(10, 900);
    let sidecar = Running::start(&town, "noon", &clock).await;
    town.until_left("traces", N_OLD).await;
    town.until_ended("failed").await;
    assert_eq!(plans(&town).await[0].1, PlanStatus::Approved, "it waits");
    let kinds = async || -> Vec<String> {
        let cycles = town.cycles().await.into_iter();
        cycles.map(|(cycle, _)| cycle.start.kind).collect()
    };
    assert!(!kinds().await.contains(&"apply".to_owned()));

    // It is applied when the server is back.
    away.restart().unwrap();
    clock.turn(11, 0);
    town.until("the plan is applied", async || {
        sidecar.wake.notify_one();
        plans(&town).await[0].1 == PlanStatus::Applied
    })
    .await;
    sidecar.end().await;
    assert!(kinds().await.contains(&"apply".to_owned()));
    let left: u64 = remote
        .query("SELECT count() FROM traces")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(left, 0);
}
