//! Plans from files: a fresh one is applied, a stale one is refused and says why.

use ebbtide::{
    Basis, Config, CycleStatus, Engine, EngineError, Event, NewRule, PauseScope, Plan, PlanRequest,
    Scope, Unprobed,
};
use mysql_async::prelude::Queryable;

use super::world::{NOW, World, apply, apply_reviewed, at, plan, propose, run};
use crate::support::{TestMysql, block_on};

/// The plan as a file would hold it.
fn through_a_file(plan: &Plan) -> Plan {
    let text = serde_json::to_string_pretty(plan).unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn stale(engine: &Engine, plan: &Plan) -> Vec<String> {
    let approved = engine.ledger().approved_revision().await.unwrap();
    let error = apply_reviewed(engine, plan).await.unwrap_err();
    let EngineError::Stale { changes } = error else {
        panic!("{error}")
    };
    let after = engine.ledger().approved_revision().await.unwrap();
    assert_eq!(after, approved, "nothing was approved");
    changes
}

#[tokio::test]
async fn a_fresh_plan_is_applied_even_on_the_next_day() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let config = world.config_with("approval: none, ", "");
    let plan = through_a_file(&propose(&world.engine_with(&config, NOW)).await);
    let tomorrow = world.engine_with(&config, "2026-11-22T09:00:00Z");
    let report = apply_reviewed(&tomorrow, &plan).await.unwrap();
    // Exactly that plan: what expired meanwhile stays.
    assert_eq!(
        (report.status, report.n_deleted()),
        (CycleStatus::Done, 138)
    );
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 31);
    let cycle = world.ledger.cycle(&report.cycle).await.unwrap().unwrap();
    assert_eq!(
        (&*cycle.start.kind, cycle.start.plan_digest),
        ("apply", plan.digest)
    );
    // It is done once: what it saw is gone, and so nothing is deleted again.
    let approved = world.ledger.approved_revision().await.unwrap();
    assert_eq!(approved, Some(plan.revision));
}

#[tokio::test]
async fn a_stale_plan_says_what_changed() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let hold = world.hold(Scope::Workspace("w3".into()), None).await;
    world.pause(PauseScope::Target("other".into())).await;
    let engine = world.engine();
    let plan = through_a_file(&propose(&engine).await);
    engine.reviewed(&plan).await.unwrap();

    world.rule("w1", "31d").await;
    world.rule("w2", "10d").await;
    let other = world.hold(Scope::Workspace("w2".into()), None).await;
    let released = world.ledger.release_hold(hold, "test", at(NOW)).await;
    released.unwrap();
    world.pause(PauseScope::Workspace("w0".into())).await;
    let resumed = PauseScope::Target("other".into());
    world
        .ledger
        .resume(&resumed, "test", at(NOW))
        .await
        .unwrap();
    assert_eq!(
        stale(&engine, &plan).await,
        [
            "rule 2 for workspace \"w1\" (31d) is new".to_owned(),
            "rule 3 for workspace \"w2\" (10d) is new".into(),
            "rule 1 for workspace \"w1\" (30d) is not active any more".into(),
            format!("hold {other} on workspace \"w2\" was placed"),
            format!("hold {hold} was released"),
            "workspace \"w0\" was paused".into(),
            "target \"other\" was resumed".into(),
        ]
    );
    let plan = propose(&engine).await;
    let mut pairs = [Ok(("w1".into(), "acme".into()))].into_iter();
    world
        .ledger
        .put_workspaces(&mut pairs, "test")
        .await
        .unwrap();
    let changes = stale(&engine, &plan).await;
    assert!(changes[0].contains("the directory"), "{changes:?}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_plan_of_other_settings_or_tables_is_stale() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let plan = propose(&world.engine()).await;

    let config = world.config_with("approval: none, ", "approval: none, default: 60d, ");
    let changes = stale(&world.engine_with(&config, NOW), &plan).await;
    assert!(changes[0].contains("retention.default"), "{changes:?}");

    let config = world.config_with(
        "table: traces, workspace: w, project: p",
        "table: traces, workspace: w",
    );
    let changes = stale(&world.engine_with(&config, NOW), &plan).await;
    assert!(changes[0].contains("the project column"), "{changes:?}");

    // Nothing of the plan goes there, but its approval would cover it.
    world.sql("CREATE TABLE others AS traces").await;
    let others = "targets:\n- {table: others, workspace: w, project: p, age: {time: at}}\n";
    let config = world.config_with("targets:\n", others);
    let changes = stale(&world.engine_with(&config, NOW), &plan).await;
    assert!(changes[0].starts_with("targets, "), "{changes:?}");

    world.sql("ALTER TABLE traces DROP COLUMN n").await;
    world.engine().reviewed(&plan).await.unwrap();
    world.sql("DROP TABLE traces").await;
    world
        .sql("CREATE TABLE traces (w String, p String, at DateTime64(3)) ENGINE = MergeTree ORDER BY w")
        .await;
    let changes = stale(&world.engine(), &plan).await;
    assert!(changes[0].contains("the age column"), "{changes:?}");
    world.sql("DROP TABLE traces").await;
    let changes = stale(&world.engine(), &plan).await;
    assert!(changes[0].contains("does not exist"), "{changes:?}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn an_edited_plan_is_refused() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let plan = propose(&world.engine()).await;
    let edited = serde_json::to_string(&plan)
        .unwrap()
        .replace("\"w1\"", "\"w2\"");
    let edited: Plan = serde_json::from_str(&edited).unwrap();
    let changes = stale(&world.engine(), &edited).await;
    assert!(changes[0].contains("edited"), "{changes:?}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_plan_that_shows_less_than_it_would_approve_is_refused() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let config = world.config_with("approval: none, ", "");
    let engine = world.engine_with(&config, NOW);
    let request = |basis, as_of: Option<&str>| PlanRequest {
        as_of: as_of.map(at),
        basis,
        ..PlanRequest::default()
    };

    let of_long_ago = request(Basis::Proposed, Some("2026-01-01T00:00:00Z"));
    let of_long_ago = engine.plan(&of_long_ago).await.unwrap();
    let changes = stale(&engine, &through_a_file(&of_long_ago)).await;
    assert!(changes[0].starts_with("the day: "), "{changes:?}");

    let effective = engine.plan(&request(Basis::Effective, None)).await.unwrap();
    let changes = stale(&engine, &through_a_file(&effective)).await;
    assert!(
        changes[0].starts_with("all that its rules delete"),
        "{changes:?}"
    );

    let plan = propose(&engine).await;
    let changes = stale(&world.engine_with(&config, "2026-12-01T10:00:00Z"), &plan).await;
    assert!(
        changes[0].starts_with("the days since 2026-11-21"),
        "{changes:?}"
    );
}

#[tokio::test]
async fn a_plan_with_a_table_that_nobody_could_look_at_is_refused() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let config = world.config_with("approval: none, ", "");
    let engine = world.engine_with(&config, NOW);
    let mut plan = propose(&engine).await;
    plan.unprobed.push(Unprobed {
        shard: "http://other:8123".into(),
        table: None,
        workspace: None,
        reason: "it is down".into(),
        is_unreachable: true,
        is_running: false,
    });
    plan.digest = plan.computed_digest();
    let changes = stale(&engine, &plan).await;
    assert!(
        changes[0].contains("nobody saw what goes there"),
        "{changes:?}"
    );
}

#[tokio::test]
async fn a_workspace_that_moves_in_the_operators_directory_makes_a_plan_stale() {
    let world = World::new().await;
    for (organization, retention) in [("acme", "30d"), ("patient", "unlimited")] {
        let rule = NewRule {
            scope: Scope::Organization(organization.into()),
            retention: retention.into(),
            apply_to_past: true,
            created_at: at(NOW),
        };
        let created = world.ledger.create_rule(&rule, "test".into()).await;
        created.unwrap();
    }
    let directory = TestMysql::create().await;
    let mut connection = directory.connect().await;
    for sql in [
        "CREATE TABLE tenants (w VARCHAR(20), o VARCHAR(20))",
        "INSERT INTO tenants VALUES ('w1', 'acme'), ('w2', 'acme'), ('w3', 'patient')",
    ] {
        connection.query_drop(sql).await.unwrap();
    }
    let yaml = format!(
        "{}directory: {{url: \"{}\", query: \"SELECT w, o FROM tenants\"}}\n",
        world.yaml,
        directory.url()
    );
    let engine = world.engine_with(&Config::parse(&yaml).unwrap(), NOW);
    let reviewed = through_a_file(&propose(&engine).await);
    let planned = plan(&engine).await;
    // Whoever nothing is deleted from may move.
    let other = "UPDATE tenants SET o = 'acme' WHERE w = 'w0'";
    connection.query_drop(other).await.unwrap();
    engine.reviewed(&reviewed).await.unwrap();

    let moves = "UPDATE tenants SET o = 'patient' WHERE w = 'w1'";
    connection.query_drop(moves).await.unwrap();
    let changes = stale(&engine, &reviewed).await;
    assert!(changes[0].contains("the directory"), "{changes:?}");
    let error = apply(&engine, &planned).await.unwrap_err();
    assert!(matches!(error, EngineError::Stale { .. }), "{error}");
    assert_eq!(world.mutations().await, 0);

    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_becomes_stale_before_its_first_statement_says_what_changed() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (ledger, now) = (world.ledger.clone(), at(NOW));
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, Event::CycleStarted { .. }) {
            let rule = NewRule {
                scope: Scope::Workspace("w2".into()),
                retention: "60d".into(),
                apply_to_past: true,
                created_at: now,
            };
            block_on(ledger.create_rule(&rule, "test".into())).unwrap();
        }
    });
    let proposed = propose(&engine).await;
    let error = apply_reviewed(&engine, &proposed).await.unwrap_err();
    let EngineError::Stale { changes } = error else {
        panic!("{error}")
    };
    assert_eq!(changes, ["rule 2 for workspace \"w2\" (60d) is new"]);
    assert_eq!(world.mutations().await, 0);
}
