//! A record of cycles to look at.

use ebbtide::{
    CYCLE_LEASE, CycleStart, Intended, LeaseAttempt, SlotRange, StepIntent, StepOutcome,
};
use jiff::{SignedDuration, Timestamp};

use super::api::Api;

/// A cycle that began; a higher number is a later one.
pub async fn cycle(api: &Api, number: i64) -> String {
    let ledger = &api.ledger;
    let length = std::time::Duration::from_hours(1);
    let LeaseAttempt::Held(lease) = ledger
        .acquire_lease(CYCLE_LEASE, "test", length)
        .await
        .unwrap()
    else {
        panic!("somebody else has the lease");
    };
    let id = uuid::Uuid::now_v7().to_string();
    let start = CycleStart {
        id: id.clone(),
        started_at: Timestamp::now() + SignedDuration::from_secs(number),
        as_of: Timestamp::now(),
        rules_digest: "d".into(),
        revision: ledger.revision().await.unwrap(),
        kind: "slot".into(),
        plan_digest: "d".into(),
        slot: Some(("2026-11-21".into(), SlotRange::ALL)),
        holder: "test".into(),
        lease_token: lease.token,
        asked: None,
    };
    ledger.begin_cycle(&start).await.unwrap();
    id
}

/// Steps of a cycle that holds the lease; the last has no outcome.
pub async fn steps(api: &Api, cycle: &str, n_steps: u32) {
    // The latest lease is another cycle's; this one's token must be the one in force.
    let ledger = &api.ledger;
    for step in 1..=n_steps {
        let intent = StepIntent {
            cycle: cycle.into(),
            step,
            shard: "http://127.0.0.1:8123".into(),
            table: "spans".into(),
            method: "lightweight".into(),
            shape: "in".into(),
            query_id: format!("q{step}"),
            statement_digest: "d".into(),
            n_workspaces: 1,
            rows_due: 5,
            n_parts: 0,
            predicate: "w IN ('w1')".into(),
            bounds: "[{\"rule\": 3, \"retention\": \"7d\"}]".into(),
            intended_at: Timestamp::now(),
        };
        assert_eq!(
            ledger.intend_step(&intent).await.unwrap(),
            Intended::Recorded
        );
        if step < n_steps {
            let outcome = StepOutcome {
                cycle: cycle.into(),
                step,
                verdict: "verified".into(),
                rows_left: Some(0),
                error: None,
                duration_ms: 12,
                finished_at: Timestamp::now(),
            };
            ledger.finish_step(&outcome).await.unwrap();
        }
    }
}
