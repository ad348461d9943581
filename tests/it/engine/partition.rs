//! Whole partitions that hold more than their plan is about: rows of other slots, of ids without an
//! age, of rules that nobody can tell rows by, and rows that came or went since.

use ebbtide::{
    Config, CycleStatus, EngineError, Method, NewRule, Plan, PlanRequest, Refusal, Scope,
    StepOutcomeKind, next_due,
};

use super::method::{finite, partitioned, steps};
use super::world::{NOW, World, apply, at, plan, run};

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

#[tokio::test]
async fn parents_stay_while_children_of_another_slot_are_there() {
    let world = months().await;
    let more = "concat('other', toString(n)), p, at, n";
    for table in ["spans", "traces"] {
        let sql = format!("INSERT INTO {table} SELECT {more} FROM {table} WHERE at < '2026-10-01'");
        world.sql(&sql).await;
    }
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
    let mut world = months().await;
    world.yaml = world.yaml.replace("project: p, ", "");
    let engine = world.engine();
    assert!(goes_whole(&plan(&engine).await, "spans"));
    let mut slots = Vec::new();
    for _ in 0..2 {
        slots.push(next_due(at("2026-11-21T23:59:00Z"), 2, &slots).unwrap());
    }
    let rule = NewRule {
        scope: Scope::Project {
            workspace: "somebody".into(),
            project: "p".into(),
        },
        retention: "9d".into(),
        apply_to_past: true,
        created_at: at(NOW),
    };
    world
        .ledger
        .create_rule(&rule, "test".into())
        .await
        .unwrap();
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
            "INSERT INTO spans SELECT w, p, '2026-09-10 00:00:00', number FROM spans, numbers(10)",
            "the plan counted 192",
        ),
        (
            "ALTER TABLE spans DROP PARTITION 202608, DROP PARTITION 202609",
            "nothing is left",
        ),
    ] {
        let world = months().await;
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
