//! How rows go: whole partitions, patches, and deletes in one partition.

use ebbtide::{
    Config, CycleStatus, EngineError, Method, PauseScope, Plan, Refusal, Scope, StepOutcomeKind,
};

use super::world::{NOW, World, apply, plan, run};

const PATCHES: &str = "SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1";

/// The same rows as ever, in tables with partitions.
pub(super) async fn partitioned(key: &str, settings: &str) -> World {
    let world = World::new().await;
    for table in ["spans", "traces"] {
        world
            .sql(&format!("RENAME TABLE {table} TO old_{table}"))
            .await;
        world
            .sql(&format!(
                "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree PARTITION BY {key} ORDER BY (w, p, at) {settings}"
            ))
            .await;
        world
            .sql(&format!(
                "INSERT INTO {table} SELECT * FROM old_{table} SETTINGS max_partitions_per_insert_block = 0"
            ))
            .await;
        world.sql(&format!("DROP TABLE old_{table} SYNC")).await;
    }
    world
}

/// Everybody's rows end after 30 days: on 22 October.
pub(super) fn finite(world: &mut World) {
    let before = "retention: {approval: none";
    assert!(world.yaml.contains(before));
    let after = "retention: {default: 30d, approval: none";
    world.yaml = world.yaml.replace(before, after);
}

/// Method, partitions and rows of each step.
pub(super) fn steps(plan: &Plan) -> Vec<(Method, String, u64)> {
    let step = |step: &ebbtide::Step| {
        assert!(!step.reason.is_empty() && step.n_parts > 0, "{step:?}");
        (step.method, step.partitions.join(" "), step.n_due)
    };
    plan.steps.iter().map(step).collect()
}

#[tokio::test]
async fn whole_partitions_are_dropped_and_the_rest_goes_in_its_own() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let engine = world.engine();
    let (made, report) = run(&engine).await.unwrap();
    let of_table = [
        (Method::Partition, "202608 202609".into(), 192),
        (Method::Lightweight, "202610".into(), 84),
    ];
    assert_eq!(steps(&made), [of_table.clone(), of_table].concat());
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 552);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 124);
        let old = format!("{table} WHERE at < '2026-10-22'");
        assert_eq!(world.count(&old).await, 0);
    }
    assert_eq!(world.mutations().await, 2, "drops are none");

    let recorded = world.ledger.steps(&report.cycle).await.unwrap();
    let methods: Vec<&str> = recorded.iter().map(|step| &*step.intent.method).collect();
    assert_eq!(
        methods,
        ["partition", "lightweight", "partition", "lightweight"]
    );
    assert!(recorded.iter().all(|step| step.intent.n_parts > 0));
    // What is recorded counts the same rows again, and none of other partitions.
    let within = "AND _partition_id IN ('202610')";
    let is_within = |step: usize| recorded[step].intent.predicate.contains(within);
    assert!(is_within(1) && is_within(3), "{recorded:#?}");
    let predicate = &recorded[1].intent.predicate;
    assert_eq!(world.count(&format!("spans WHERE {predicate}")).await, 0);
    let (again, _) = run(&engine).await.unwrap();
    assert_eq!(steps(&again), []);
}

/// The key says nothing about the age; the rows do.
#[tokio::test]
async fn partitions_of_any_key_are_dropped_where_all_of_their_rows_are_expired() {
    let mut world = partitioned("toYYYYMM(at) + n * 0", "").await;
    finite(&mut world);
    let engine = world.engine();
    // September holds rows that nobody's rule can mean.
    world
        .sql("INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-09-10 00:00:00', 1)")
        .await;
    let (made, report) = run(&engine).await.unwrap();
    let (methods, n_rows): (Vec<_>, Vec<_>) = made
        .steps
        .iter()
        .map(|step| ((step.method, step.partitions.join(" ")), step.n_due))
        .unzip();
    let expected = [
        (Method::Partition, "202608"),
        (Method::Lightweight, ""),
        (Method::Partition, "202608 202609"),
        (Method::Lightweight, "202610"),
    ];
    assert_eq!(
        methods,
        expected.map(|(method, of)| (method, of.to_owned()))
    );
    assert_eq!(n_rows.iter().sum::<u64>(), 552);
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 552);
    assert_eq!(world.count("spans WHERE at < '2026-10-22'").await, 1);
    assert_eq!(world.count("traces WHERE at < '2026-10-22'").await, 0);
    assert_eq!(world.count("traces").await, 124);
}

#[tokio::test]
async fn no_partition_goes_whole_where_anything_could_be_wanted() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    let is_whole = |plan: &Plan| steps(plan).iter().any(|step| step.0 == Method::Partition);
    // The default is unlimited.
    world.rule("w1", "30d").await;
    assert!(!is_whole(&plan(&world.engine()).await));
    finite(&mut world);
    assert!(is_whole(&plan(&world.engine()).await));
    // Somebody without a single row keeps everything.
    world.rule("w9", "unlimited").await;
    assert!(!is_whole(&plan(&world.engine()).await));
    world.rule("w9", "20d").await;
    assert!(is_whole(&plan(&world.engine()).await));
    // A row may be kept by another table.
    let keep =
        "age: {time: at}, keep: [{column: n, in_table: refs, in_column: n, in_workspace: w}]}";
    world
        .sql("CREATE TABLE refs (w String, n UInt64) ENGINE = MergeTree ORDER BY w")
        .await;
    let kept = Config::parse(&world.yaml.replace("age: {time: at}}", keep)).unwrap();
    assert!(!is_whole(&plan(&world.engine_with(&kept, NOW)).await));
    world.pause(PauseScope::Workspace("w9".into())).await;
    assert!(!is_whole(&plan(&world.engine()).await));
}

#[tokio::test]
async fn a_row_of_nobody_that_comes_after_the_plan_stops_the_drop_and_that_of_the_parents() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let engine = world.engine();
    let made = plan(&engine).await;
    let late = "INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-09-10 00:00:00', 1)";
    world.sql(late).await;
    let report = apply(&engine, &made).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    let skipped = |at: usize, why: &str| match &report.steps[at].outcome {
        StepOutcomeKind::Skipped { reason } => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    };
    skipped(0, "not dropped: partition 202609 holds 1 rows");
    skipped(2, "children");
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 193);
    assert_eq!(world.count("traces WHERE at < '2026-10-01'").await, 192);

    // The next cycle knows: that partition stays, and what is expired in it goes.
    let (made, report) = run(&engine).await.unwrap();
    assert_eq!(made.steps[0].partitions, ["202608".into()]);
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(world.count("spans WHERE at < '2026-10-22'").await, 1);
    assert_eq!(world.count("traces WHERE at < '2026-10-22'").await, 0);
}

#[tokio::test]
async fn a_hold_or_a_pause_that_comes_after_the_plan_stops_the_drop() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let engine = world.engine();
    let made = plan(&engine).await;
    let hold = world.hold(Scope::Workspace("nobody".into()), None).await;
    let refusals = |result| match result {
        Err(EngineError::Refused { refusals }) => refusals,
        other => panic!("{other:?}"),
    };
    let found = refusals(apply(&engine, &made).await);
    assert!(
        matches!(&found[..], [Refusal::Held { step: 1, hold: by, .. }, ..] if *by == hold),
        "{found:?}"
    );
    world.pause(PauseScope::Workspace("nobody".into())).await;
    let found = refusals(apply(&engine, &made).await);
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Refusal::Paused { step: 1, .. }))
    );
    assert_eq!(world.count("spans").await, 400);
}

#[tokio::test]
async fn an_edited_plan_drops_nothing_that_is_wanted() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let engine = world.engine();
    let mut made = plan(&engine).await;
    made.steps.truncate(1);
    made.steps[0].partitions = vec!["202611".into()];
    let report = apply(&engine, &made).await.unwrap();
    assert!(matches!(
        &report.steps[0].outcome,
        StepOutcomeKind::Skipped { .. }
    ));
    made.steps[0].expired = None;
    let report = apply(&engine, &made).await.unwrap();
    assert!(matches!(
        &report.steps[0].outcome,
        StepOutcomeKind::Skipped { .. }
    ));
    assert_eq!(world.count("spans").await, 400);
}

#[tokio::test]
async fn few_rows_in_many_parts_go_by_patches() {
    let mut world = partitioned("toYYYYMMDD(at)", PATCHES).await;
    // 4 of 100 days are due, and somebody keeps everything: no partition goes whole.
    world.yaml = world.yaml.replace("{approval", "{default: 95d, approval");
    world.rule("w9", "unlimited").await;
    let engine = world.engine();
    let (made, report) = run(&engine).await.unwrap();
    let of_table = (Method::Patch, String::new(), 16);
    assert_eq!(steps(&made), [of_table.clone(), of_table]);
    assert!(made.steps[0].reason.contains("reads join the patches"));
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(world.count("spans").await, 384);
    assert_eq!(world.mutations().await, 0);
    let (again, _) = run(&engine).await.unwrap();
    assert_eq!(steps(&again), []);
}

#[tokio::test]
async fn a_method_that_the_table_does_not_admit_is_refused_with_its_remedy() {
    let world = World::new().await;
    for (method, remedy) in [
        ("patch", "MODIFY SETTING enable_block_number_column = 1"),
        ("partition", "write method: auto"),
    ] {
        let config = world.config_with(
            "{table: spans,",
            &format!("{{table: spans, method: {method},"),
        );
        let engine = world.engine_with(&config, NOW);
        let Err(error) = engine.plan(&ebbtide::PlanRequest::default()).await else {
            panic!("{method}");
        };
        let text = format!("{error:?}{error}");
        assert!(text.contains("spans") && text.contains(remedy), "{text}");
    }
}

/// Only the first look of a day reads everything.
#[tokio::test]
async fn a_later_look_misses_nothing() {
    // A key that the server could answer from its parts alone, without an estimate.
    let mut world = partitioned("w", "").await;
    finite(&mut world);
    world.rule("new", "7d").await;
    let engine = world.engine();
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let first = plan(&engine).await;
    assert_eq!(
        (first.n_due(), first.tables[0].totals.n_workspaces),
        (0, Some(4))
    );
    // Young, and yet too old for its own rule.
    let late = "INSERT INTO spans VALUES ('new', 'p', '2026-11-10 00:00:00', 1)";
    world.sql(late).await;
    let second = plan(&engine).await;
    assert_eq!(second.n_due(), 1);
    assert_eq!(
        second.tables[0].totals.n_rows, 125,
        "masked rows do not count"
    );
}

/// What only people and metrics want to know stops nothing.
#[tokio::test]
async fn a_table_that_is_too_large_to_be_counted_whole_is_planned_all_the_same() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let yaml = world
        .yaml
        .replace("clickhouse: {", "clickhouse: {probe_rows: 350, ");
    assert_ne!(yaml, world.yaml);
    let engine = world.engine_with(&ebbtide::Config::parse(&yaml).unwrap(), NOW);
    let made = plan(&engine).await;
    let totals = made.tables[0].totals;
    assert_eq!((totals.n_rows, totals.n_undatable), (400, None));
    assert_eq!((made.n_due(), &*made.unprobed), (552, &[][..]));
    assert_eq!(made.steps.len(), 4);
    run(&engine).await.unwrap();
    // Now that something is masked the server itself has to open parts to count rows.
    for (day, n_rows) in [("2026-07-01", 3), ("2026-11-20", 1_000)] {
        let more = format!(
            "INSERT INTO spans SELECT 'w1', 'p', toDateTime('{day} 00:00:00', 'UTC'), number FROM numbers({n_rows})"
        );
        world.sql(&more).await;
    }
    let second = plan(&engine).await;
    assert_eq!((second.n_due(), &*second.unprobed), (3, &[][..]));
    assert_eq!(second.tables[0].totals.n_rows, 1_127);
    assert_eq!(world.count("spans").await, 1_127);
}

/// Each alone is within the limits of a look, and all of them together are not.
#[tokio::test]
async fn partitions_that_are_too_much_to_be_counted_together_are_counted_apart() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let config = world.config_with("clickhouse: {", "clickhouse: {probe_rows: 150, ");
    let engine = world.engine_with(&config, NOW);
    let (made, report) = run(&engine).await.unwrap();
    let dropped: Vec<_> = steps(&made)
        .into_iter()
        .filter(|(method, ..)| *method == Method::Partition)
        .collect();
    let of_table = (Method::Partition, "202608 202609".into(), 192);
    assert_eq!(dropped, [of_table.clone(), of_table], "{report:#?}");
    for table in ["spans", "traces"] {
        let old = format!("{table} WHERE at < '2026-10-01'");
        assert_eq!(world.count(&old).await, 0);
    }
}
