//! Children before parents, unknown outcomes, and what a killed process leaves.

use std::process::Command;

use ebbtide::{CycleStatus, StepOutcomeKind};

use super::world::{World, fill, run};
use crate::support::wait_until;

/// A statement that the server cannot finish is given up soon.
const IMPATIENT: &str = ", statement_timeout: 1s, settle_timeout: 1s";

#[tokio::test]
async fn where_children_stay_their_parents_stay_and_others_go_on() {
    let world = World::with(IMPATIENT).await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    // Only w1 has spans that are due, and they cannot go: mutations run in the merge pool.
    world.sql("DELETE FROM spans WHERE w = 'w2'").await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    let [spans, traces] = &report.steps[..] else {
        panic!("{report:#?}")
    };
    assert!(
        matches!(&spans.outcome, StepOutcomeKind::Failed { error, .. } if error.contains("still running")),
        "{spans:#?}"
    );
    assert!(traces.is_verified(), "{traces:#?}");
    assert_eq!(
        world.count("traces WHERE w = 'w1'").await,
        100,
        "parents of what stayed"
    );
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 31);

    // It still runs: the next cycle sends no second one, and says so even where nothing else is due.
    world.rule("w1", "unlimited").await;
    let (plan, report) = run(&world.engine()).await.unwrap();
    assert_eq!((plan.steps.len(), report.status), (0, CycleStatus::Failed));
    assert!(
        plan.unprobed[0].reason.contains("KILL MUTATION"),
        "{:?}",
        plan.unprobed
    );
    world.rule("w1", "30d").await;
    let (_, report) = run(&world.engine()).await.unwrap();
    assert!(
        matches!(&report.steps[0].outcome, StepOutcomeKind::Skipped { reason } if reason.contains("still running"))
    );
    assert!(
        matches!(&report.steps[1].outcome, StepOutcomeKind::Skipped { reason } if reason.contains("children"))
    );
    assert_eq!(world.mutations().await, 2, "one of spans, one of traces");

    world.sql("SYSTEM START MERGES spans").await;
    world.wait_for("spans WHERE w = 'w1'", 31).await;
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_the_middle_leaves_an_intent_and_the_next_one_finishes() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let config = world.folder.path().join("config.yml");
    let yaml = format!("{}serve: {{lease: 1s}}\n", world.yaml);
    std::fs::write(&config, yaml).unwrap();
    // A process goes by the clock of this machine.
    for table in ["spans", "traces"] {
        world.sql(&format!("TRUNCATE TABLE {table}")).await;
        world.sql(&fill(table, "now('UTC')")).await;
    }
    world.sql("SYSTEM STOP MERGES spans").await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args(["-c", config.to_str().unwrap(), "run"])
        .spawn()
        .unwrap();
    world.wait_for_mutations(1).await;
    process.kill().unwrap();
    process.wait().unwrap();

    let cycles = world.ledger.cycles(1).await.unwrap();
    assert_eq!(cycles[0].end, None);
    let steps = world.ledger.steps(&cycles[0].start.id).await.unwrap();
    assert_eq!(steps.len(), 1);
    assert!(
        steps[0].outcome.is_none(),
        "the intent was written before the effect"
    );

    world.sql("SYSTEM START MERGES spans").await;
    world.wait_for("spans WHERE w = 'w1'", 31).await;
    // Its lease ends by itself.
    let mut outputs = Vec::new();
    wait_until("the lease of the killed process to end", || {
        let output = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args(["-c", config.to_str().unwrap(), "run"])
            .output()
            .unwrap();
        outputs.push(output);
        outputs.last().unwrap().status.code() != Some(75)
    });
    let output = outputs.last().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 31);
    assert_eq!(
        world.mutations().await,
        2,
        "the spans were not deleted twice"
    );
}
