//! What a process that was killed has left open, and who comes after it.

use std::time::Duration;

use ebbtide::{CycleStatus, Engine, EngineError};

use super::world::{NOW, World, apply_reviewed, at, propose, run};
use crate::support::DeadStep;

/// Rows that are due in each table.
const N_DUE: u64 = 4 * 69;

/// A process that was killed between the intent of its first step and the statement.
async fn somebody_died(world: &World, method: &str) {
    let ledger = &world.ledger;
    let step = DeadStep {
        shard: world.database.url(),
        method,
        n_workspaces: 4,
        rows_due: N_DUE,
        predicate: "at < toDateTime('2026-10-22 00:00:00', 'UTC')",
        at: at(NOW),
    };
    let lease = step.leave_in(&**ledger, Duration::from_secs(9)).await;
    ledger.release_lease(&lease).await.unwrap();
}

/// A world where most of each table is due, and no more than that may go in a day.
async fn a_world_with_a_dead_process(method: &str) -> (World, Engine) {
    let world = World::new().await;
    for workspace in ["w0", "w1", "w2", "w3"] {
        world.rule(workspace, "30d").await;
    }
    let engine = world.engine_with(&world.config_with("table: 0.9", "table: 0.7"), NOW);
    engine.note_settings("test").await.unwrap();
    somebody_died(&world, method).await;
    (world, engine)
}

async fn nothing_counts_twice(world: &World) {
    assert_eq!(world.count("spans").await, 400 - N_DUE);
    assert_eq!(world.count("traces").await, 400 - N_DUE);
    let steps = world.ledger.steps("dead").await.unwrap();
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!(outcome.rows_left, Some(N_DUE));
}

#[tokio::test]
async fn a_run_counts_what_a_killed_process_never_sent() {
    for method in ["lightweight", "patch"] {
        let (world, engine) = a_world_with_a_dead_process(method).await;
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        nothing_counts_twice(&world).await;
    }
}

/// Nobody can tell from the record which rows were in them: the share of the day stays used up.
#[tokio::test]
async fn rows_of_whole_partitions_go_on_counting() {
    let (world, engine) = a_world_with_a_dead_process("partition").await;
    assert!(matches!(
        run(&engine).await,
        Err(EngineError::Refused { .. })
    ));
    assert_eq!(world.count("spans").await, 400);
    let steps = world.ledger.steps("dead").await.unwrap();
    assert!(steps[0].outcome.is_none(), "{steps:?}");
}

#[tokio::test]
async fn so_does_whoever_applies_a_plan() {
    let (world, engine) = a_world_with_a_dead_process("lightweight").await;
    let report = apply_reviewed(&engine, &propose(&engine).await).await;
    assert_eq!(report.unwrap().status, CycleStatus::Done);
    nothing_counts_twice(&world).await;
}
