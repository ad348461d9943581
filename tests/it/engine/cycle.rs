//! One cycle after another: what goes, what heals, and what stops it.

use ebbtide::{
    Config, CycleKind, CycleStatus, EngineError, PlanRequest, Refusal, StepOutcomeKind, Verdict,
};

use tokio_util::sync::CancellationToken;

use super::world::{NOW, World, apply, at, plan, run};
use crate::support::{Mariadb, embedded_options};

#[tokio::test]
async fn a_cycle_deletes_what_is_due_and_a_second_one_sends_nothing() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (plan, report) = run(&world.engine()).await.unwrap();
    assert_eq!(
        plan.steps.iter().map(|step| step.n_due).collect::<Vec<_>>(),
        [69, 69]
    );
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(report.n_deleted(), 138);
    assert_eq!(world.count("traces").await, 400 - 69);
    assert_eq!(world.count("traces WHERE w != 'w1'").await, 300);
    // 30 whole days before today, and the row exactly at the cutoff's day.
    assert_eq!(
        world
            .count("traces WHERE w = 'w1' AND at < '2026-10-22'")
            .await,
        0
    );
    assert_eq!(world.mutations().await, 2);

    let (plan, report) = run(&world.engine()).await.unwrap();
    assert!(plan.steps.is_empty() && report.steps.is_empty());
    assert_eq!(world.mutations().await, 2);

    let cycles = world.ledger.cycles(10).await.unwrap();
    assert_eq!(cycles.len(), 2);
    assert!(cycles.iter().all(|cycle| {
        cycle
            .end
            .as_ref()
            .is_some_and(|(_, status)| status == "done")
    }));
    let steps = world.ledger.steps(&cycles[1].start.id).await.unwrap();
    let outcomes: Vec<_> = steps
        .iter()
        .map(|step| step.outcome.as_ref().unwrap())
        .collect();
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.verdict == "verified" && outcome.rows_left == Some(0))
    );
}

#[tokio::test]
async fn rows_without_a_readable_workspace_or_a_time_stay_and_are_counted() {
    let world = World::new().await;
    world.sql("DROP TABLE traces").await;
    world
        .sql("CREATE TABLE traces (w Nullable(String), p String, at DateTime('UTC'), n UInt64) ENGINE = MergeTree ORDER BY n")
        .await;
    world
        .sql(
            "INSERT INTO traces SELECT multiIf(number = 0, NULL, number = 1, unhex('ff00'), 'w1'), 'p', \
             if(number = 2, toDateTime(0, 'UTC'), toDateTime('2026-01-01 00:00:00', 'UTC')), number FROM numbers(10)",
        )
        .await;
    let yaml = world.yaml.replace(
        "max_share_of_table: 0.9",
        "default: 30d, max_share_of_table: 1.0",
    );
    let config = Config::parse(&yaml).unwrap();
    let totals = plan(&world.engine_with(&config, NOW)).await.tables[1].totals;
    assert_eq!(
        (totals.n_rows, totals.n_unreadable, totals.n_undatable),
        (10, Some(2), Some(1))
    );
    let (made, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    let totals = made.tables[1].totals;
    assert_eq!(
        (totals.n_rows, totals.n_unreadable, totals.n_undatable),
        (10, None, None),
        "a cycle reads no more than it needs"
    );
    assert_eq!(world.count("traces WHERE n <= 2").await, 3);
    assert_eq!(world.count("traces").await, 3);
}

#[tokio::test]
async fn statements_carry_their_identity() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (_, report) = run(&world.engine()).await.unwrap();
    world.sql("SYSTEM FLUSH LOGS query_log").await;
    for step in &report.steps {
        let comment = format!(
            "ebbtide:retention:{}:{}-{}",
            step.table, report.cycle, step.number
        );
        let query_id = step.query_id.as_ref().unwrap();
        assert_eq!(
            *query_id,
            format!("ebbtide-{}-{}", report.cycle, step.number)
        );
        let found = format!(
            "system.query_log WHERE query_id = '{query_id}' AND log_comment = '{comment}' \
             AND type = 'QueryFinish'"
        );
        assert_eq!(world.count(&found).await, 1);
    }
}

#[tokio::test]
async fn after_an_outage_everything_expired_goes_late_rows_included() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    run(&world.engine()).await.unwrap();
    world
        .sql("INSERT INTO traces VALUES ('w1', 'p', '2026-08-01 00:00:00', 1000)")
        .await;
    let (_, report) = run(&world.engine_at("2026-12-01T10:00:00Z")).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(report.n_deleted(), 10 + 11);
    assert_eq!(
        world
            .count("traces WHERE w = 'w1' AND at < '2026-11-01'")
            .await,
        0
    );
}

#[tokio::test]
async fn rules_that_changed_after_the_plan_stop_it() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine();
    let plan = plan(&engine).await;
    world.rule("w1", "unlimited").await;
    let report = apply(&engine, &plan).await.unwrap();
    assert_eq!(report.status, CycleStatus::Stale);
    assert!(report.steps.is_empty());
    assert_eq!(world.mutations().await, 0);
    // `run` plans again and finds that nothing is due.
    let (plan, report) = run(&engine).await.unwrap();
    assert_eq!((plan.steps.len(), report.status), (0, CycleStatus::Done));
    assert_eq!(world.count("traces").await, 400);
}

#[tokio::test]
async fn rules_that_change_between_two_statements_stop_the_second() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let ledger_file = world.folder.path().join("ledger.db");
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, ebbtide::Event::StepFinished { .. }) {
            // Somebody lifts the rule just after the first statement.
            let connection = rusqlite::Connection::open(&ledger_file).unwrap();
            connection
                .execute_batch(
                    "UPDATE rules SET deactivated_at = '2026-11-21 10:00:00.000000', deactivated_by = 'x';
                     UPDATE meta SET revision = revision + 1;",
                )
                .unwrap();
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(world.count("spans WHERE w = 'w1'").await, 31);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
}

#[tokio::test]
async fn a_ledger_that_is_gone_stops_every_delete() {
    let mut world = World::new().await;
    let server = Mariadb::start();
    let url = format!("{}/mysql", server.url().trim_end_matches('/'));
    world.ledger = ebbtide::connect_ledger(&url, None).await.unwrap();
    world.ledger.migrate().await.unwrap();
    world.rule("w1", "30d").await;
    let engine = world.engine();
    let plan = plan(&engine).await;
    assert!(!plan.steps.is_empty());
    let tenure = world.tenure().await;
    drop(server);
    let never = CancellationToken::new();
    let applied = engine.apply(&plan, CycleKind::Run, &tenure, &never).await;
    let error = applied.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert_eq!(world.mutations().await, 0);
    assert_eq!(world.count("traces").await, 400);
}

#[tokio::test]
async fn a_plan_that_takes_too_much_is_refused() {
    let world = World::new().await;
    for workspace in ["w0", "w1", "w2", "w3"] {
        world.rule(workspace, "5d").await;
    }
    let engine = world.engine();
    let plan = plan(&engine).await;
    assert_eq!(plan.refusals.len(), 2);
    let error = apply(&engine, &plan).await.unwrap_err();
    assert!(error.to_string().contains("376 of 400 rows"), "{error}");
    assert!(matches!(error, EngineError::Refused { .. }));
    assert_eq!(
        (
            world.mutations().await,
            world.ledger.cycles(5).await.unwrap().len()
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_plan_of_a_day_to_come_is_only_to_look_at() {
    let world = World::new().await;
    world.rule("w1", "60d").await;
    let engine = world.engine();
    let request = PlanRequest {
        as_of: Some(at("2026-12-21T10:00:00Z")),
        ..PlanRequest::default()
    };
    let plan = engine.plan(&request).await.unwrap();
    assert_eq!(plan.steps.len(), 2);
    let error = apply(&engine, &plan).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(matches!(refusals[..], [Refusal::Future { .. }]), "{error}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_plan_is_refused_where_it_reaches_below_the_floor() {
    let world = World::new().await;
    world.rule("w1", "2d").await;
    let plan = plan(&world.engine()).await;
    assert!(!plan.steps.is_empty());
    // Meanwhile somebody raised the floor.
    let stricter = Config::parse(
        &world
            .yaml
            .replace("retention: {", "retention: {floor: 5d, "),
    )
    .unwrap();
    let error = apply(&world.engine_with(&stricter, NOW), &plan)
        .await
        .unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(
        refusals
            .iter()
            .all(|refusal| matches!(refusal, Refusal::Floor { .. })),
        "{error}"
    );
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_clock_far_ahead_of_the_server_deletes_nothing() {
    a_clock_off_by(24).await;
}

#[tokio::test]
async fn a_clock_far_behind_the_server_deletes_nothing() {
    a_clock_off_by(-24).await;
}

async fn a_clock_off_by(hours: i64) {
    struct Off(i64);
    impl ebbtide::Clock for Off {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::now() + jiff::SignedDuration::from_hours(self.0)
        }
    }
    let world = World::new().await;
    world.rule("w1", "2d").await;
    let (config, clock) = (world.config(), std::sync::Arc::new(Off(hours)));
    let engine = ebbtide::Engine::new(&config, world.ledger.clone(), clock).unwrap();
    let error = run(&engine).await.unwrap_err();
    assert!(matches!(error, EngineError::Clock { .. }), "{error}");
    assert!(error.to_string().contains("ClickHouse at"), "{error}");
    let planned = plan(&world.engine()).await;
    let error = apply(&engine, &planned).await.unwrap_err();
    assert!(matches!(error, EngineError::Clock { .. }), "{error}");
    assert!(error.to_string().contains("that of the ledger"), "{error}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_arrives_meanwhile_is_reported_and_taken_by_the_next_cycle() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    // The mutation is registered and cannot run; what is inserted now is none of its business.
    world.sql("SYSTEM STOP MERGES spans").await;
    let engine = world.engine();
    let cycle = tokio::spawn(async move { run(&engine).await });
    world.wait_for_mutations(1).await;
    world
        .sql("INSERT INTO spans VALUES ('w1', 'p', '2026-01-01 00:00:00', 7)")
        .await;
    world.sql("SYSTEM START MERGES spans").await;
    let (_, report) = cycle.await.unwrap().unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    assert_eq!(
        report.steps[0].outcome,
        StepOutcomeKind::Applied(Verdict::Incomplete { n_left: 1 })
    );
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!(
        (outcome.verdict.as_str(), outcome.rows_left),
        ("incomplete", Some(1))
    );
    assert_eq!(
        world.count("traces WHERE w = 'w1'").await,
        100,
        "parents of what is left"
    );

    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(&format!("{table} WHERE w = 'w1'")).await, 31);
    }
}

#[tokio::test]
async fn a_shard_that_is_killed_and_comes_back_is_made_good() {
    let mut server = ebbtide::Embedded::start(embedded_options()).unwrap();
    let client = clickhouse::Client::default().with_url(server.url());
    for sql in [
        "CREATE TABLE spans (w String, p String, at DateTime('UTC')) ENGINE = MergeTree ORDER BY w",
        "INSERT INTO spans SELECT 'w1', 'p', toDateTime('2026-11-20 00:00:00') - toIntervalDay(number) FROM numbers(100)",
        "CREATE TABLE traces AS spans",
        "INSERT INTO traces SELECT * FROM spans",
    ] {
        client.query(sql).execute().await.unwrap();
    }
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let mut config = world.config();
    config.shards.truncate(1);
    let other = config.shards[0].clone();
    let mut second = ebbtide::ShardOptions::new(server.url());
    second.probe_timeout = std::time::Duration::from_secs(5);
    config.shards = vec![second, other];
    server.kill().unwrap();
    let (plan, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    assert_eq!(plan.unprobed.len(), 1);
    assert!(plan.unprobed[0].is_unreachable);
    assert_eq!(
        world.count("traces WHERE w = 'w1'").await,
        31,
        "the other shard was worked on"
    );

    server.restart().unwrap();
    let (_, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    let left: u64 = client
        .query("SELECT count() FROM traces")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(left, 30);
}

#[tokio::test]
async fn deletes_that_the_server_turns_down_do_not_use_up_the_share_of_the_day() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    // Somebody else's mutation waits, and the table admits only one.
    world.sql("SYSTEM STOP MERGES spans").await;
    world
        .sql("ALTER TABLE spans MODIFY SETTING number_of_mutations_to_throw = 1")
        .await;
    world
        .sql("ALTER TABLE spans UPDATE n = 0 WHERE n = 1 SETTINGS mutations_sync = 0")
        .await;
    let config = world.config_with("max_share_of_table: 0.9", "max_share_of_table: 0.3");
    let engine = world.engine_with(&config, NOW);
    for _ in 0..10 {
        let (plan, report) = run(&engine).await.unwrap();
        assert_eq!(plan.refusals, []);
        assert_eq!(report.steps[0].n_left(), Some(69), "{report:#?}");
    }
    let recorded = world.ledger.cycles(1).await.unwrap();
    let steps = world.ledger.steps(&recorded[0].start.id).await.unwrap();
    assert_eq!(
        steps[0].outcome.as_ref().unwrap().rows_left,
        Some(69),
        "{steps:#?}"
    );
    world.sql("SYSTEM START MERGES spans").await;
    world.wait_for("spans WHERE n = 0", 2).await;
    world
        .wait_for(
            &format!(
                "system.mutations WHERE database = '{}' AND NOT is_done",
                world.database.name()
            ),
            0,
        )
        .await;
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
}

#[tokio::test]
async fn a_rule_that_a_target_cannot_match_leaves_only_its_workspace_alone() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    world.project_rule("w1", "p", "unlimited").await;
    // The children have a column for projects, the parents have none.
    let config = world.config_with(
        "table: traces, workspace: w, project: p",
        "table: traces, workspace: w",
    );
    let engine = world.engine_with(&config, NOW);
    let (plan, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let [left_alone] = &plan.unprobed[..] else {
        panic!("{:#?}", plan.unprobed)
    };
    assert_eq!(left_alone.workspace.as_deref(), Some("w1"));
    assert!(
        left_alone
            .reason
            .contains("no project column; add targets[].project"),
        "{left_alone:?}"
    );
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 31);
    assert_eq!(world.count("spans WHERE w = 'w2'").await, 31);
    // A plan with it may be approved: other rules of the workspace are another revision.
    let proposed = engine.plan(&PlanRequest::proposed()).await.unwrap();
    let config = ebbtide::Config::parse(&world.yaml.replace("approval: none, ", "").replace(
        "table: traces, workspace: w, project: p",
        "table: traces, workspace: w",
    ));
    let strict = world.engine_with(&config.unwrap(), NOW);
    strict.reviewed(&proposed).await.unwrap();
}

#[tokio::test]
async fn a_name_in_another_spelling_leaves_only_that_workspace_alone() {
    let world = World::new().await;
    for table in ["spans", "traces"] {
        world.sql(&format!("DROP TABLE {table}")).await;
        world
            .sql(&format!(
                "CREATE TABLE {table} (w UInt32, p String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree ORDER BY (w, at)"
            ))
            .await;
        world
            .sql(&format!(
                "INSERT INTO {table} SELECT number % 4, 'p', toDateTime('2026-11-21 10:00:00', 'UTC') \
                 - toIntervalDay(intDiv(number, 4)), number FROM numbers(400)"
            ))
            .await;
    }
    for workspace in ["1", "02", "2", "3"] {
        world.rule(workspace, "30d").await;
    }
    world
        .hold(ebbtide::Scope::Workspace("03".into()), None)
        .await;
    let (plan, _) = run(&world.engine()).await.unwrap();
    let reasons: Vec<&str> = plan.unprobed.iter().map(|found| &*found.reason).collect();
    assert_eq!(reasons.len(), 4, "{reasons:#?}");
    assert!(reasons[0].contains("spells it \"2\""), "{reasons:#?}");
    assert!(reasons[1].contains("hold 1"), "{reasons:#?}");
    for (workspace, left) in [(1, 31), (2, 100), (3, 100)] {
        let rows = world.count(&format!("spans WHERE w = {workspace}")).await;
        assert_eq!(rows, left, "{workspace}");
    }
}
