//! Nothing is deleted that nobody approved, and nothing before it was armed for long enough.

use ebbtide::{Basis, Config, CycleStatus, Engine, EngineError, NewRule, Plan, Refusal, Scope};

use mysql_async::prelude::Queryable;

use super::world::{NOW, World, apply, apply_reviewed, at, plan, propose, run};
use crate::support::TestMysql;

/// The engine of a configuration that asks for an approval.
fn strict(world: &World) -> Engine {
    world.engine_with(&world.config_with("approval: none, ", ""), NOW)
}

/// The engine of a configuration that arms rules.
fn armed(world: &World, length: &str) -> Config {
    world.config_with(
        "approval: none, ",
        &format!("approval: none, armed_for: {length}, "),
    )
}

fn n_waiting(plan: &Plan) -> u64 {
    plan.waiting.iter().map(|rows| rows.n_rows).sum()
}

#[tokio::test]
async fn a_new_install_deletes_nothing_until_somebody_approved_a_plan() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = strict(&world);
    let (effective, report) = run(&engine).await.unwrap();
    assert!(effective.is_unapproved() && effective.steps.is_empty());
    assert_eq!((n_waiting(&effective), report.n_deleted()), (138, 0));

    let proposed = propose(&engine).await;
    assert_eq!((proposed.basis, proposed.n_due()), (Basis::Proposed, 138));
    assert_eq!(n_waiting(&proposed), 138);
    // The executor asks again, whoever calls it.
    let error = apply(&engine, &proposed).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(refusals[..], [Refusal::Unapproved { .. }]),
        "{error}"
    );
    assert_eq!(world.mutations().await, 0);

    let report = apply_reviewed(&engine, &proposed).await.unwrap();
    assert_eq!(
        (report.status, report.n_deleted()),
        (CycleStatus::Done, 138)
    );
    // From now on what was approved acts by itself.
    world
        .sql("INSERT INTO traces VALUES ('w1', 'p', '2026-08-01 00:00:00', 1000)")
        .await;
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 1));
}

#[tokio::test]
async fn a_plan_that_claims_a_base_of_its_own_is_refused() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    // Made where rules act at once, applied where they do not.
    let plan = plan(&world.engine()).await;
    let error = apply(&strict(&world), &plan).await.unwrap_err();
    assert!(error.to_string().contains("nobody approved"), "{error}");
    let mut forged = plan;
    forged.base_revision = Some(u64::MAX);
    let error = apply(&strict(&world), &forged).await.unwrap_err();
    assert!(error.to_string().contains("nobody approved"), "{error}");
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_shorter_retention_waits_and_a_longer_one_acts_at_once() {
    let world = World::new().await;
    let engine = strict(&world);
    world.rule("w1", "60d").await;
    let proposed = propose(&engine).await;
    apply_reviewed(&engine, &proposed).await.unwrap();
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 61);

    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!(report.n_deleted(), 0);
    assert_eq!(n_waiting(&effective), 2 * (30 + 69), "shorter, and new");

    // Nobody approved that, and it is taken back: nothing was lost.
    world.rule("w1", "60d").await;
    let effective = plan(&engine).await;
    assert_eq!(n_waiting(&effective), 2 * 69);
    // Longer than what was approved: it acts at once.
    world.rule("w1", "80d").await;
    world
        .sql("INSERT INTO traces VALUES ('w1', 'p', '2026-09-10 00:00:00', 1000)")
        .await;
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.n_deleted(), 0, "70 days old");

    world.rule("w1", "30d").await;
    let proposed = propose(&engine).await;
    apply_reviewed(&engine, &proposed).await.unwrap();
    assert_eq!(world.count("traces WHERE w IN ('w1', 'w2')").await, 62);
}

#[tokio::test]
async fn a_shorter_default_in_the_configuration_waits_too() {
    let world = World::new().await;
    let engine = strict(&world);
    world.rule("w1", "30d").await;
    apply_reviewed(&engine, &propose(&engine).await)
        .await
        .unwrap();
    let config = world.config_with("approval: none, ", "default: 60d, ");
    let engine = world.engine_with(&config, NOW);
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!((report.n_deleted(), n_waiting(&effective)), (0, 2 * 3 * 39));
    apply_reviewed(&engine, &propose(&engine).await)
        .await
        .unwrap();
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 61);
    // Back to unlimited acts at once.
    world
        .sql("INSERT INTO traces VALUES ('w2', 'p', '2026-08-01 00:00:00', 1000)")
        .await;
    let (_, report) = run(&strict(&world)).await.unwrap();
    assert_eq!(report.n_deleted(), 0);
}

#[tokio::test]
async fn a_rule_acts_once_it_was_armed_for_long_enough() {
    let world = World::new().await;
    let engine = world.engine_with(&armed(&world, "1h"), NOW);
    world.rule("w1", "30d").await;
    let (effective, report) = run(&engine).await.unwrap();
    assert!(effective.needs_base && report.n_deleted() == 0);
    assert_eq!(n_waiting(&effective), 138);
    let until = effective.armed_at.expect("an instant");
    let left = until.duration_since(world.ledger.now().await.unwrap());
    assert!(left <= jiff::SignedDuration::from_hours(1), "{left:?}");
    assert!(left > jiff::SignedDuration::from_mins(50), "{left:?}");

    // Half of the time is not enough, and all of it is.
    world.let_pass("30m");
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (138, 0));
    world.let_pass("31m");
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 138));
}

#[tokio::test]
async fn a_rule_that_is_taken_back_while_it_is_armed_deletes_nothing() {
    let world = World::new().await;
    let engine = world.engine_with(&armed(&world, "1h"), NOW);
    world.rule("w1", "30d").await;
    let (effective, _) = run(&engine).await.unwrap();
    let now = world.ledger.now().await.unwrap();
    let left = effective.armed_at.unwrap().duration_since(now);
    let expected = jiff::SignedDuration::from_mins(59)..=jiff::SignedDuration::from_mins(60);
    assert!(expected.contains(&left), "{left:?}");
    let rule = world.ledger.rules_after(0, false, 1).await.unwrap()[0].id;
    let taken_back = world.ledger.deactivate_rule(rule, "test", at(NOW)).await;
    taken_back.unwrap();
    let (effective, report) = run(&engine).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 0));
    // Whoever reviews a plan need not wait.
    world.rule("w2", "30d").await;
    let report = apply_reviewed(&engine, &propose(&engine).await)
        .await
        .unwrap();
    assert_eq!(report.n_deleted(), 138);
}

/// Engines that ask for an approval, and that arm rules; what comes first holds by both.
async fn both(world: &World) -> [Engine; 2] {
    let engines = [strict(world), world.engine_with(&armed(world, "1h"), NOW)];
    settle(world, &engines[0]).await;
    engines
}

/// Approves what holds now, and lets it be armed.
async fn settle(world: &World, engine: &Engine) {
    apply_reviewed(engine, &propose(engine).await)
        .await
        .unwrap();
    world.let_pass("2h");
}

/// A row that only 30 days let go.
async fn old_row(world: &World) {
    world
        .sql("INSERT INTO traces VALUES ('w1', 'p', '2026-10-01 00:00:00', 1000)")
        .await;
}

/// Neither engine deletes the one row that waits; once it is settled, it goes.
async fn waits_until_settled(world: &World, engines: &[Engine; 2]) {
    for engine in engines {
        let (effective, report) = run(engine).await.unwrap();
        assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 0));
    }
    world.let_pass("2h");
    let (effective, report) = run(&engines[0]).await.unwrap();
    assert_eq!(
        (n_waiting(&effective), report.n_deleted()),
        (1, 0),
        "no approval"
    );
    let (effective, report) = run(&engines[1]).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 1));
    old_row(world).await;
    let report = apply_reviewed(&engines[0], &propose(&engines[0]).await).await;
    assert_eq!(report.unwrap().n_deleted(), 1);
}

#[tokio::test]
async fn a_retention_that_was_longer_in_between_waits_again() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engines = both(&world).await;
    old_row(&world).await;
    world.rule("w1", "unlimited").await;
    for engine in &engines {
        let (effective, report) = run(engine).await.unwrap();
        assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 0));
    }
    world.rule("w1", "30d").await;
    waits_until_settled(&world, &engines).await;
}

#[tokio::test]
async fn a_rule_that_was_gone_in_between_waits_again() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engines = both(&world).await;
    old_row(&world).await;
    let rule = world.ledger.rules_after(0, false, 1).await.unwrap()[0].id;
    let ended = world.ledger.deactivate_rule(rule, "test", at(NOW)).await;
    ended.unwrap();
    world.rule("w1", "30d").await;
    waits_until_settled(&world, &engines).await;
}

#[tokio::test]
async fn a_rule_that_was_there_in_between_leaves_its_promise() {
    let world = World::new().await;
    let rule = |scope| NewRule {
        scope,
        retention: "30d".into(),
        apply_to_past: true,
        created_at: at(NOW),
    };
    let organization = rule(Scope::Organization("acme".into()));
    let created = world.ledger.create_rule(&organization, "test".into()).await;
    created.unwrap();
    let mut pairs = [Ok(("w1".into(), "acme".into()))].into_iter();
    world
        .ledger
        .put_workspaces(&mut pairs, "test")
        .await
        .unwrap();
    let engines = both(&world).await;
    old_row(&world).await;
    world.rule("w1", "unlimited").await;
    let rules = world.ledger.rules_after(0, false, 9).await.unwrap();
    let ended = world.ledger.deactivate_rule(rules[1].id, "test", at(NOW));
    ended.await.unwrap();
    waits_until_settled(&world, &engines).await;
}

#[tokio::test]
async fn a_period_or_default_that_was_longer_in_between_waits_again() {
    for (before, longer, rule) in [
        (
            "periods: {short: 30d}, ",
            "periods: {short: 90d}, ",
            "short",
        ),
        ("default: 30d, ", "default: unlimited, ", ""),
    ] {
        let world = World::new().await;
        if !rule.is_empty() {
            let config = world.config_with("approval: none, ", before);
            world
                .engine_with(&config, NOW)
                .note_settings("test")
                .await
                .unwrap();
            world.rule("w1", rule).await;
        }
        let with = |settings: &str| {
            ["", "approval: none, armed_for: 1h, "].map(|terms| {
                let config = world.config_with("approval: none, ", &format!("{terms}{settings}"));
                world.engine_with(&config, NOW)
            })
        };
        let engines = with(before);
        settle(&world, &engines[0]).await;
        old_row(&world).await;
        for engine in &with(longer) {
            let (effective, report) = run(engine).await.unwrap();
            assert_eq!((n_waiting(&effective), report.n_deleted()), (0, 0));
        }
        engines[0].note_settings("test").await.unwrap();
        waits_until_settled(&world, &engines).await;
    }
}

#[tokio::test]
async fn an_empty_directory_stops_what_an_organization_was_promised() {
    let world = World::new().await;
    let mysql = TestMysql::create().await;
    let mut connection = mysql.connect().await;
    connection
        .query_drop("CREATE TABLE w (w VARCHAR(9), o VARCHAR(9))")
        .await
        .unwrap();
    let insert = "INSERT INTO w VALUES ('w1', 'acme')";
    connection.query_drop(insert).await.unwrap();
    let yaml = format!(
        "{}directory: {{url: \"{}\", query: \"SELECT w, o FROM w\"}}\n",
        world.yaml.replace("approval: none, ", "default: 30d, "),
        mysql.url()
    );
    let engine = world.engine_with(&Config::parse(&yaml).unwrap(), NOW);
    let rule = NewRule {
        scope: Scope::Organization("acme".into()),
        retention: "unlimited".into(),
        apply_to_past: true,
        created_at: at(NOW),
    };
    let created = world.ledger.create_rule(&rule, "test".into()).await;
    let id = created.unwrap().id;
    settle(&world, &engine).await;
    world
        .ledger
        .deactivate_rule(id, "test", at(NOW))
        .await
        .unwrap();
    assert!(n_waiting(&plan(&engine).await) > 0, "the organization's");
    connection.query_drop("DELETE FROM w").await.unwrap();
    let error = run(&engine).await.unwrap_err();
    assert!(matches!(error, EngineError::EmptyDirectory), "{error}");
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
}
