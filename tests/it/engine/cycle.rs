//! One cycle after another: what goes, what heals, and what stops it.

use ebbtide::{CycleStatus, EngineError, Refusal, StepOutcomeKind, Verdict};

use super::world::{NOW, World};
use crate::support::{Mariadb, embedded_options};

#[tokio::test]
async fn a_cycle_deletes_what_is_due_and_a_second_one_sends_nothing() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (plan, report) = world.engine().run().await.unwrap();
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

    let (plan, report) = world.engine().run().await.unwrap();
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
async fn statements_carry_their_identity() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (_, report) = world.engine().run().await.unwrap();
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
    world.engine().run().await.unwrap();
    world
        .sql("INSERT INTO traces VALUES ('w1', 'p', '2026-08-01 00:00:00', 1000)")
        .await;
    let (_, report) = world.engine_at("2026-12-01T10:00:00Z").run().await.unwrap();
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
    let plan = engine.plan(None).await.unwrap();
    world.rule("w1", "unlimited").await;
    let report = engine.apply(&plan).await.unwrap();
    assert_eq!(report.status, CycleStatus::Stale);
    assert!(report.steps.is_empty());
    assert_eq!(world.mutations().await, 0);
    // `run` plans again and finds that nothing is due.
    let (plan, report) = engine.run().await.unwrap();
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
    let (_, report) = engine.run().await.unwrap();
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
    let plan = engine.plan(None).await.unwrap();
    assert!(!plan.steps.is_empty());
    drop(server);
    let error = engine.apply(&plan).await.unwrap_err();
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
    let plan = engine.plan(None).await.unwrap();
    assert_eq!(plan.refusals.len(), 2);
    let error = engine.apply(&plan).await.unwrap_err();
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
async fn a_plan_of_another_day_is_refused_where_it_reaches_below_the_floor() {
    let world = World::new().await;
    world.rule("w1", "2d").await;
    let engine = world.engine();
    let tomorrow = engine
        .plan(Some(super::world::at("2026-11-24T00:00:00Z")))
        .await
        .unwrap();
    assert!(!tomorrow.steps.is_empty());
    let error = engine.apply(&tomorrow).await.unwrap_err();
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
async fn rows_that_arrive_meanwhile_are_reported_and_taken_by_the_next_cycle() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let client = world.database.client();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn(async move {
        let late = "INSERT INTO spans VALUES ('w1', 'p', '2026-01-01 00:00:00', 7)";
        while stopped.try_recv().is_err() {
            client.query_raw(late).execute().await.unwrap();
        }
    });
    // Every cycle races with the writer; one that leaves rows must say so.
    let mut seen = None;
    for _ in 0..20 {
        let (_, report) = world.engine().run().await.unwrap();
        let is_incomplete = |step: &&ebbtide::StepReport| matches!(step.outcome, StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) if n_left > 0);
        if report.steps.iter().any(|step| is_incomplete(&step)) {
            assert_eq!(report.status, CycleStatus::Failed);
            seen = Some(report.cycle);
            break;
        }
    }
    stop.send(()).unwrap();
    writer.await.unwrap();
    let cycle = seen.expect("a late row was left at least once in 20 cycles");
    let steps = world.ledger.steps(&cycle).await.unwrap();
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!(outcome.verdict, "incomplete");
    assert!(outcome.rows_left.is_some_and(|left| left > 0));

    let (_, report) = world.engine().run().await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(
        world
            .count("spans WHERE w = 'w1' AND at < '2026-10-22'")
            .await,
        0
    );
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
    let (plan, report) = world.engine_with(&config, NOW).run().await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    assert_eq!(plan.unprobed.len(), 1);
    assert!(plan.unprobed[0].is_unreachable);
    assert_eq!(
        world.count("traces WHERE w = 'w1'").await,
        31,
        "the other shard was worked on"
    );

    server.restart().unwrap();
    let (_, report) = world.engine_with(&config, NOW).run().await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    let left: u64 = client
        .query("SELECT count() FROM traces")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(left, 30);
}
