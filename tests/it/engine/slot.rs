//! The slots of a day: together they do what one cycle does, and together they keep the guards.

use ebbtide::{
    Config, CycleKind, CycleStatus, Engine, EngineError, PlanRequest, Refusal, SlotRange, next_due,
};
use tokio_util::sync::CancellationToken;

use super::world::{World, at};

const DAY: &str = "2026-11-21";
const LAST: &str = "2026-11-21T23:59:00Z";

/// Forty workspaces with a hundred rows each, one a day.
async fn many_workspaces() -> World {
    let world = World::new().await;
    for table in ["spans", "traces"] {
        world.sql(&format!("TRUNCATE TABLE {table}")).await;
        world
            .sql(&format!(
                "INSERT INTO {table} SELECT concat('w', toString(number % 40)), 'p', \
                 toDateTime('{DAY} 10:00:00', 'UTC') - toIntervalDay(intDiv(number, 40)), number \
                 FROM numbers(4000)"
            ))
            .await;
    }
    world
}

/// Does what is due at the end of the day, slot by slot; returns how often.
async fn all_slots(
    world: &World,
    engine: &Engine,
    per_day: impl Fn(usize) -> u32,
) -> Result<usize, EngineError> {
    engine.note_settings("test").await?;
    let tenure = world.tenure().await;
    let never = CancellationToken::new();
    for n_slots in 0.. {
        let done = world.ledger.slots_done(DAY).await.unwrap();
        let Some(slot) = next_due(at(LAST), per_day(n_slots), &done) else {
            tenure.release().await?;
            return Ok(n_slots);
        };
        let plan = engine.plan(&PlanRequest::of_slot(slot)).await?;
        let inside = |name: &str| slot.contains(name);
        let mut arms = plan.steps.iter().flat_map(|step| &step.arms);
        assert!(arms.all(|arm| inside(&arm.workspace)));
        let applied = engine.apply(&plan, CycleKind::Slot, &tenure, &never).await;
        let Ok(report) = applied else {
            tenure.release().await?;
            return applied.map(|_| n_slots);
        };
        assert_eq!(report.status, CycleStatus::Done);
        let cycle = world.ledger.cycle(&report.cycle).await.unwrap().unwrap();
        assert_eq!(cycle.start.slot, Some((DAY.into(), slot)));
    }
    unreachable!()
}

fn config(world: &World, settings: &str) -> Config {
    let after = format!("retention: {{approval: none, {settings}}}");
    world.config_with(
        "retention: {approval: none, max_share_of_table: 0.9}",
        &after,
    )
}

#[tokio::test]
async fn the_slots_of_a_day_delete_what_one_cycle_would() {
    let world = many_workspaces().await;
    let config = config(&world, "default: 30d, max_share_of_table: 0.9");
    let engine = world.engine_with(&config, LAST);
    let whole = engine.plan(&PlanRequest::default()).await.unwrap();
    // The number of slots changes on the way.
    let n_slots = all_slots(&world, &engine, |n| if n < 2 { 5 } else { 7 }).await;
    assert!((5..=9).contains(&n_slots.unwrap()));
    let done = world.ledger.slots_done(DAY).await.unwrap();
    let n_places: u64 = done.iter().map(|range| range.n_places()).sum();
    assert_eq!(n_places, SlotRange::ALL.n_places());
    for (table, planned) in ["spans", "traces"].into_iter().zip(&whole.tables) {
        assert_eq!(planned.n_due, 40 * 69);
        assert_eq!(world.count(table).await, 40 * 31);
        let expired = format!("{table} WHERE at < '2026-10-22'");
        assert_eq!(world.count(&expired).await, 0);
    }
}

#[tokio::test]
async fn slots_cannot_add_up_past_the_share_of_a_table() {
    let world = many_workspaces().await;
    let config = config(&world, "default: 5d, max_share_of_table: 0.6");
    let engine = world.engine_with(&config, LAST);
    let error = all_slots(&world, &engine, |_| 8).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(refusals[..], [Refusal::Share { .. }, ..]),
        "{error}"
    );
    let left = world.count("spans").await;
    assert!((1_600..2_800).contains(&left), "{left} of 4000 are left");
    // On the next day it may go on.
    let tomorrow = world.engine_with(&config, "2026-11-22T10:00:00Z");
    let slot = SlotRange {
        from: 0,
        to: 1 << 29,
    };
    let plan = tomorrow.plan(&PlanRequest::of_slot(slot)).await.unwrap();
    assert_eq!(plan.tables[0].n_deleted_today, 0);
}
