//! Whole partitions that hold more than their plan is about: rows of other slots, of ids without an
//! age, of rules that nobody can tell rows by, and rows that came or went since.

use ebbtide::{
    Config, CycleStatus, EngineError, Event, HoldRange, Method, NewHold, Plan, PlanRequest,
    Refusal, Scope, StepOutcomeKind, next_due,
};

use super::method::{finite, partitioned, steps};
use super::world::{NOW, World, apply, at, plan, run};
use crate::support::block_on;

/// Whether partitions of a table go as a whole.
fn goes_whole(plan: &Plan, table: &str) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| &*step.table == table && step.method == Method::Partition)
}

async fn months() -> World {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    world
}

/// The same, with so many workspaces that each slot has some.
async fn crowd() -> World {
    let world = months().await;
    for table in ["spans", "traces"] {
        let more = format!(
            "INSERT INTO {table} SELECT concat('other', toString(n)), p, at, n FROM {table} \
             WHERE at < '2026-10-01'"
        );
        world.sql(&more).await;
    }
    world
}

#[tokio::test]
async fn parents_stay_while_children_of_another_slot_are_there() {
    let world = crowd().await;
    let engine = world.engine();
    let slot = next_due(at("2026-11-21T23:59:00Z"), 2, &[]).unwrap();
    let of_slot = engine.plan(&PlanRequest::of_slot(slot)).await.unwrap();
    // The children go, whoever's they are: nobody's outlive their parents by that.
    assert!(goes_whole(&of_slot, "spans"));
    assert!(!goes_whole(&of_slot, "traces"));
    let of_all = engine.plan(&PlanRequest::default()).await.unwrap();
    assert!(goes_whole(&of_all, "traces"));
}

#[tokio::test]
async fn an_id_that_has_no_age_but_a_time_keeps_its_partition() {
    let mut world = World::new().await;
    finite(&mut world);
    for sql in [
        "DROP TABLE spans SYNC",
        "CREATE TABLE spans (w String, id UUID) ENGINE = MergeTree \
         PARTITION BY toYYYYMM(UUIDv7ToDateTime(id)) ORDER BY (w, id)",
        // In August and September of 2026; the second one is of no variant that has a time.
        "INSERT INTO spans VALUES ('w1', '019fb0d0-0000-7000-8000-000000000001')",
        "INSERT INTO spans VALUES ('w1', '01a05000-0000-7000-8000-000000000002'), \
         ('w1', '01a05000-0000-7000-0000-000000000003')",
    ] {
        world.sql(sql).await;
    }
    let partitions =
        "system.parts WHERE active AND database = currentDatabase() AND table = 'spans'";
    assert_eq!(world.count(partitions).await, 2);
    let spans = "{table: spans, workspace: w, project: p, age: {time: at}}";
    let by_id = "{table: spans, workspace: w, age: {uuid_v7: id}}";
    let engine = world.engine_with(&world.config_with(spans, by_id), NOW);
    let (made, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let ways: Vec<_> = steps(&made).into_iter().take(2).collect();
    let expected = [
        (Method::Partition, "202607".to_owned(), 1),
        (Method::Lightweight, "202608".to_owned(), 1),
    ];
    assert_eq!(ways, expected);
    let odd = "spans WHERE toString(id) LIKE '%003'";
    assert_eq!((world.count("spans").await, world.count(odd).await), (1, 1));
}

#[tokio::test]
async fn a_rule_that_nobody_can_tell_rows_by_keeps_them_in_every_slot() {
    let mut world = crowd().await;
    world.yaml = world.yaml.replace("project: p, ", "");
    let engine = world.engine();
    assert!(goes_whole(&plan(&engine).await, "spans"));
    let mut slots = Vec::new();
    for _ in 0..2 {
        let slot = next_due(at("2026-11-21T23:59:00Z"), 2, &slots).unwrap();
        let of_slot = engine.plan(&PlanRequest::of_slot(slot)).await.unwrap();
        assert!(goes_whole(&of_slot, "spans"));
        slots.push(slot);
    }
    world.project_rule("somebody", "p", "9d").await;
    let of_all = engine.plan(&PlanRequest::default()).await.unwrap();
    assert!(!goes_whole(&of_all, "spans"));
    for slot in slots {
        let of_slot = engine.plan(&PlanRequest::of_slot(slot)).await.unwrap();
        assert!(!goes_whole(&of_slot, "spans"));
    }
}

#[tokio::test]
async fn partitions_that_are_no_more_what_was_counted_are_left() {
    for (change, why) in [
        (
            "INSERT INTO spans SELECT 'w1', 'p', '2026-09-10 00:00:00', number FROM numbers(1800)",
            "the plan counted 192",
        ),
        (
            "ALTER TABLE spans DROP PARTITION 202608, DROP PARTITION 202609",
            "nothing is left",
        ),
    ] {
        let mut world = months().await;
        world.yaml = world
            .yaml
            .replace("max_share_of_table: 0.9", "max_share_of_table: 1.0");
        let engine = world.engine();
        let made = plan(&engine).await;
        world.sql(change).await;
        let n_rows = world.count("spans").await;
        let report = apply(&engine, &made).await.unwrap();
        let StepOutcomeKind::Skipped { reason } = &report.steps[0].outcome else {
            panic!("{report:#?}");
        };
        assert!(reason.contains(why), "{reason}");
        assert_eq!(world.count("spans").await, n_rows);
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        assert_eq!(world.count("spans").await, 4 * 31);
        assert_eq!(world.count("traces").await, 4 * 31);
    }
}

#[tokio::test]
async fn a_config_that_wants_no_drops_gets_none_also_after_the_plan() {
    let world = months().await;
    let made = plan(&world.engine()).await;
    assert!(goes_whole(&made, "spans") && goes_whole(&made, "traces"));
    let yaml = world
        .yaml
        .replace("age: {time: at}}", "age: {time: at}, method: lightweight}");
    let engine = world.engine_with(&Config::parse(&yaml).unwrap(), NOW);
    let other = plan(&engine).await;
    assert!(!goes_whole(&other, "spans") && !goes_whole(&other, "traces"));
    let report = apply(&engine, &made).await.unwrap();
    assert_eq!(report.n_deleted(), 0, "{report:#?}");
    assert_eq!(world.count("spans").await, 400);
}

#[tokio::test]
async fn no_partition_with_rows_below_the_floor_goes() {
    let world = months().await;
    let engine = world.engine();
    let mut made = plan(&engine).await;
    let expired = made.steps[0].expired.as_mut().unwrap();
    expired.below_ms = at(NOW).as_millisecond();
    let Err(EngineError::Refused { refusals }) = apply(&engine, &made).await else {
        panic!("not refused");
    };
    assert!(
        matches!(refusals[..], [Refusal::Floor { step: 1, .. }]),
        "{refusals:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_partitions_of_children_are_left_no_parents_go() {
    let mut world = World::new().await;
    finite(&mut world);
    for sql in [
        "RENAME TABLE spans TO old",
        "CREATE TABLE spans (w String, p String, at DateTime('UTC'), n UInt64) ENGINE = MergeTree \
         PARTITION BY toYYYYMM(at) ORDER BY (w, p, at)",
        "INSERT INTO spans SELECT * FROM old",
    ] {
        world.sql(sql).await;
    }
    let ledger = world.ledger.clone();
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, Event::StepStarted { step, .. } if step.number == 1) {
            // It holds nothing that is there, and what is planned of the parents is due all the same.
            let hold = NewHold {
                scope: Scope::Workspace("nobody".into()),
                range: HoldRange::default(),
                reason: "just in time".into(),
                owner: "test".into(),
                created_at: at(NOW),
            };
            block_on(ledger.place_hold(&hold, "test".into())).unwrap();
        }
    });
    let made = plan(&engine).await;
    assert!(goes_whole(&made, "spans") && !goes_whole(&made, "traces"));
    let report = apply(&engine, &made).await.unwrap();
    assert_eq!((report.status, report.steps.len()), (CycleStatus::Stale, 0));
    assert_eq!(
        (world.count("spans").await, world.count("traces").await),
        (400, 400)
    );
}
