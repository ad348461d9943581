//! Pauses: what they stop, and that parents wait for paused children.

use ebbtide::{CycleStatus, EngineError, PauseScope, Refusal};

use super::world::{NOW, World, apply, at, plan, run};

#[tokio::test]
async fn a_paused_child_table_keeps_the_parents_of_what_is_due_in_it() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    world.sql("DELETE FROM spans WHERE w = 'w2'").await;
    world.pause(PauseScope::Target("spans".into())).await;
    let (plan, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    let paused: Vec<_> = plan
        .paused
        .iter()
        .map(|rows| (&*rows.table, rows.n_rows))
        .collect();
    assert_eq!(paused, [("spans", 69), ("traces", 69)]);
    assert_eq!(world.count("spans WHERE w = 'w1'").await, 100);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100, "parents");
    assert_eq!(
        world.count("traces WHERE w = 'w2'").await,
        31,
        "others go on"
    );

    let resumed = world
        .ledger
        .resume(&PauseScope::Target("spans".into()), "test", at(NOW))
        .await;
    assert!(resumed.unwrap());
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.n_deleted(), 2 * 69);
}

#[tokio::test]
async fn what_is_paused_is_counted_and_stays() {
    for scope in [PauseScope::Everything, PauseScope::Workspace("w1".into())] {
        let world = World::new().await;
        world.rule("w1", "30d").await;
        world.pause(scope.clone()).await;
        let (plan, report) = run(&world.engine()).await.unwrap();
        assert!(report.steps.is_empty() && report.status == CycleStatus::Done);
        assert_eq!(plan.pauses, [scope]);
        assert_eq!(plan.paused.iter().map(|rows| rows.n_rows).sum::<u64>(), 138);
        // It is overdue all the same.
        assert_eq!(plan.tables[0].lag_s, (99 - 30) * 86_400 - 10 * 3_600);
        assert_eq!(world.mutations().await, 0);
    }
}

#[tokio::test]
async fn a_pause_after_the_plan_refuses_it() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine();
    let plan = plan(&engine).await;
    world.pause(PauseScope::Workspace("w1".into())).await;
    let error = apply(&engine, &plan).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    let is_pause = |refusal: &Refusal| matches!(refusal, Refusal::Paused { .. });
    assert!(refusals.iter().all(is_pause), "{error}");
    assert_eq!(world.mutations().await, 0);
}
