//! A backlog larger than the budget of a cycle: several cycles finish it, the most overdue first.

use std::time::Duration;

use ebbtide::{Config, CycleStatus, Engine, EngineError, PlanRequest, Refusal, SlotRange};

use super::world::{NOW, World, plan, run};
use crate::support::with_pace;

/// A rule of 30 days makes 69 rows of a workspace due in each table, one a day.
const N_DUE: u64 = 69;

fn with_budget(world: &World, budget: &str) -> Config {
    let limits = format!("max_share_of_table: 0.9, budget: {{{budget}}}");
    let yaml = world.yaml.replace("max_share_of_table: 0.9", &limits);
    let yaml = yaml.replace("targets:\n", "plan: {rows_per_step: 10}\ntargets:\n");
    Config::parse(&with_pace(&yaml, "statements_per_minute: 6000")).unwrap()
}

/// Runs cycles until one has nothing left; what must hold after each of them does.
async fn until_done(world: &World, engine: &Engine, most: u64) -> Vec<CycleStatus> {
    let mut ends = Vec::new();
    while ends.last() != Some(&CycleStatus::Done) {
        let before = world.count("spans").await + world.count("traces").await;
        let (planned, report) = run(engine).await.unwrap();
        assert_eq!(report.n_deleted(), planned.n_due(), "{report:#?}");
        assert!(
            report.n_deleted() <= most,
            "{} of {most}",
            report.n_deleted()
        );
        let is_deferred = report.status == CycleStatus::Deferred;
        assert_eq!(is_deferred, planned.n_deferred() > 0, "{report:#?}");
        let after = world.count("spans").await + world.count("traces").await;
        assert_eq!(before - after, report.n_deleted());
        let orphans = "spans WHERE (w, at) NOT IN (SELECT w, at FROM traces)";
        assert_eq!(world.count(orphans).await, 0);
        ends.push(report.status);
        assert!(ends.len() < 30, "{ends:?}");
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_larger_than_the_budget_goes_in_several_cycles_children_first() {
    let world = World::new().await;
    for (workspace, days) in [("w1", "30d"), ("w2", "60d"), ("w3", "90d")] {
        world.rule(workspace, days).await;
    }
    // w1 has twice 69 rows, which are cut; w2 twice 39 and w3 twice 9.
    let engine = world.engine_with(&with_budget(&world, "rows: 50"), NOW);
    let first = plan(&engine).await;
    let mut arms = first.steps.iter().flat_map(|step| &step.arms);
    assert!(
        arms.all(|arm| *arm.workspace == *"w1"),
        "{:#?}",
        first.steps
    );
    assert_eq!(first.n_due() + first.n_deferred(), 2 * (69 + 39 + 9));
    let ends = until_done(&world, &engine, 50).await;
    assert!((5..=8).contains(&ends.len()), "{ends:?}");
    for table in ["spans", "traces"] {
        for (workspace, left) in [("w0", 100), ("w1", 31), ("w2", 61), ("w3", 91)] {
            let rows = format!("{table} WHERE w = '{workspace}'");
            assert_eq!(world.count(&rows).await, left, "{rows}");
        }
    }
    let (again, report) = run(&engine).await.unwrap();
    assert!(again.steps.is_empty() && report.status == CycleStatus::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_small_does_not_wait_for_one_that_is_too_large() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w3", "90d").await;
    let engine = world.engine_with(&with_budget(&world, "rows: 80"), NOW);
    let first = plan(&engine).await;
    let of = |workspace: &str| -> u64 {
        let arms = first.steps.iter().flat_map(|step| &step.arms);
        let its = arms.filter(|arm| *arm.workspace == *workspace);
        its.map(|arm| arm.n_due).sum()
    };
    // All of its rows in both tables, within a quarter; the rest is for the one that has 138.
    assert_eq!((of("w3"), of("w1")), (18, 60), "{:#?}", first.steps);
    let ends = until_done(&world, &engine, 80).await;
    assert!((2..=3).contains(&ends.len()), "{ends:?}");
    assert_eq!(world.count("traces").await, 400 - N_DUE - 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_sends_no_more_statements_than_its_budget_allows() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine_with(&with_budget(&world, "statements: 4"), NOW);
    let planned = plan(&engine).await;
    assert!(
        (2..=4).contains(&planned.steps.len()),
        "{:#?}",
        planned.steps
    );
    let ends = until_done(&world, &engine, 40).await;
    assert!((4..=7).contains(&ends.len()), "{ends:?}");
    assert_eq!(world.count("traces").await, 400 - N_DUE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_ends_when_its_time_is_over_and_each_one_does_something() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let mut config = with_budget(&world, "time: 1h");
    config.limits.budget.time = Duration::ZERO;
    let engine = world.engine_with(&config, NOW);
    for n_done in 1..=3 {
        let (planned, report) = run(&engine).await.unwrap();
        assert_eq!(
            (report.status, report.steps.len()),
            (CycleStatus::Deferred, 1)
        );
        assert_eq!(planned.deferred, []);
        assert_eq!(world.count("spans").await, 400 - 10 * n_done);
    }
    assert_eq!(world.count("traces").await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_before_the_first_of_it_goes() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let mut config = with_budget(&world, "rows: 10");
    config.limits.max_share_of_table = 0.1;
    let error = run(&world.engine_with(&config, NOW)).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(refusals[..], [Refusal::Share { n_due: N_DUE, .. }, ..]),
        "{error}"
    );
    assert_eq!(world.count("spans").await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_of_which_something_is_left_is_not_done() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine_with(&with_budget(&world, "rows: 100"), NOW);
    let tenure = world.tenure().await;
    let never = tokio_util::sync::CancellationToken::new();
    for is_done in [false, true] {
        let plan = engine
            .plan(&PlanRequest::of_slot(SlotRange::ALL))
            .await
            .unwrap();
        let applied = engine
            .apply(&plan, ebbtide::CycleKind::Slot, &tenure, &never)
            .await;
        let status = applied.unwrap().status;
        assert_eq!(status == CycleStatus::Done, is_done, "{status:?}");
        let done = world.ledger.slots_done("2026-11-21").await.unwrap();
        assert_eq!(done.is_empty(), !is_done);
    }
    tenure.release().await.unwrap();
}
