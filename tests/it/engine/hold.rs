//! Holds: what they keep, to the row, and that they are looked at again until the last moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ebbtide::{
    CycleStatus, Deactivation, EngineError, Event, HoldRange, NewHold, Plan, Refusal, Scope,
};

use super::world::{NOW, World, apply, at, plan, run};
use crate::support::block_on;

fn workspace(name: &str) -> Scope {
    Scope::Workspace(name.into())
}

fn n_held(plan: &Plan) -> Vec<u64> {
    plan.held.iter().map(|rows| rows.n_rows).collect()
}

#[tokio::test]
async fn a_ranged_hold_is_deleted_around_exactly_until_it_is_released() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    let hold = world
        .hold(workspace("w1"), Some(("2026-09-01", "2026-09-11")))
        .await;
    let (plan, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!((n_held(&plan), plan.holds), (vec![10, 10], vec![hold]));
    assert_eq!(report.n_deleted(), 2 * (59 + 69));
    for table in ["spans", "traces"] {
        let of_w1 = format!("{table} WHERE w = 'w1'");
        assert_eq!(world.count(&of_w1).await, 31 + 10);
        let inside = format!("{of_w1} AND at >= '2026-09-01' AND at < '2026-09-11'");
        assert_eq!(world.count(&inside).await, 10);
        assert_eq!(world.count(&format!("{table} WHERE w = 'w2'")).await, 31);
    }
    // Pieces of one policy are never in one statement.
    assert_eq!(report.steps.len(), 4);

    let released = world.ledger.release_hold(hold, "test", at(NOW)).await;
    assert_eq!(released.unwrap(), Deactivation::Done);
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.n_deleted(), 20);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 31);
}

#[tokio::test]
async fn a_hold_on_a_project_leaves_the_rest_of_its_workspace() {
    let world = World::new().await;
    world
        .sql("INSERT INTO spans SELECT w, 'q', at, n + 1000 FROM spans")
        .await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    let project = |workspace: &str| Scope::Project {
        workspace: workspace.into(),
        project: "q".into(),
    };
    world.hold(project("w1"), None).await;
    let ranged = Some(("2026-09-01", "2026-09-11"));
    world.hold(project("w2"), ranged).await;
    let (plan, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(n_held(&plan), [69 + 10], "only spans have such a project");
    assert_eq!(world.count("spans WHERE w = 'w1' AND p = 'q'").await, 100);
    assert_eq!(world.count("spans WHERE w = 'w1' AND p = 'p'").await, 31);
    assert_eq!(world.count("spans WHERE w = 'w2' AND p = 'q'").await, 41);
    assert_eq!(world.count("spans WHERE w = 'w2' AND p = 'p'").await, 31);
    assert_eq!(world.count("traces WHERE w IN ('w1', 'w2')").await, 62);
}

#[tokio::test]
async fn a_hold_on_an_organization_keeps_its_workspaces() {
    let world = World::new().await;
    let mut pairs = [("w1", "acme"), ("w2", "globex")]
        .into_iter()
        .map(|(workspace, organization)| Ok((workspace.into(), organization.into())));
    world
        .ledger
        .put_workspaces(&mut pairs, "test")
        .await
        .unwrap();
    world.hold(Scope::Organization("acme".into()), None).await;
    let config = world.config_with("approval: none, ", "approval: none, default: 60d, ");
    let (_, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    assert_eq!(world.count("traces WHERE w != 'w1'").await, 3 * 61);
}

#[tokio::test]
async fn a_hold_placed_after_the_plan_refuses_it() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine();
    let plan = plan(&engine).await;
    // It touches one row of many.
    let hold = world
        .hold(workspace("w1"), Some(("2026-09-01", "2026-09-02")))
        .await;
    let error = apply(&engine, &plan).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    let of_hold =
        |refusal: &Refusal| matches!(refusal, Refusal::Held { hold: id, .. } if *id == hold);
    assert!(
        refusals.len() == 2 && refusals.iter().all(of_hold),
        "{error}"
    );
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_placed_at_any_moment_before_the_statement_is_respected() {
    type When = fn(&Event<'_>) -> bool;
    let moments: [When; 3] = [
        |event| matches!(event, Event::Planned { .. }),
        |event| matches!(event, Event::CycleStarted { .. }),
        // After everything but the intent.
        |event| matches!(event, Event::StepStarted { .. }),
    ];
    for is_moment in moments {
        let world = World::new().await;
        world.rule("w1", "30d").await;
        let (ledger, is_placed) = (world.ledger.clone(), Arc::new(AtomicBool::new(false)));
        let placed = Arc::clone(&is_placed);
        let engine = world.engine().observed_by(move |event| {
            if is_moment(event) && !placed.swap(true, Ordering::Relaxed) {
                let hold = NewHold {
                    scope: workspace("w1"),
                    range: HoldRange::default(),
                    reason: "just in time".into(),
                    owner: "test".into(),
                    created_at: at(NOW),
                };
                block_on(ledger.place_hold(&hold, "test".into())).unwrap();
            }
        });
        let (plan, report) = run(&engine).await.unwrap();
        assert!(is_placed.load(Ordering::Relaxed));
        assert_eq!((plan.steps.len(), report.status), (0, CycleStatus::Done));
        assert_eq!(world.mutations().await, 0);
        assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    }
}
