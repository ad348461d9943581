//! An approval covers the targets, too: whatever of them takes more rows than before waits.

use ebbtide::{Basis, Config, Engine, EngineError, Plan, Refusal};

use super::world::{NOW, World, apply, apply_reviewed, plan, propose, run};

const SPANS: &str = "- {table: spans, workspace: w, project: p, age: {time: at}}\n";
const KEEPS: &str = "- {table: spans, workspace: w, project: p, age: {time: at}, \
     keep: [{column: n, in_table: items, in_column: n, in_workspace: w}]}\n";

/// A world in which 30 days are promised to `w1` and `w2`, and one span of `w1` is referred to.
async fn world() -> World {
    let world = World::new().await;
    world
        .sql("CREATE TABLE items (w String, n UInt64) ENGINE = MergeTree ORDER BY w")
        .await;
    // 50 days old.
    world.sql("INSERT INTO items VALUES ('w1', 201)").await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    world
}

/// The configuration with the target of `spans` written like this.
fn config(world: &World, retention: &str, spans: &str) -> Config {
    assert!(world.yaml.contains(SPANS) && world.yaml.contains("approval: none, "));
    let yaml = world.yaml.replace(SPANS, spans);
    Config::parse(&yaml.replace("approval: none, ", retention)).unwrap()
}

/// An engine that asks for an approval.
fn engine(world: &World, spans: &str) -> Engine {
    world.engine_with(&config(world, "", spans), NOW)
}

/// Approves what an engine would do, and does it.
async fn approve(engine: &Engine) -> u64 {
    let report = apply_reviewed(engine, &propose(engine).await).await;
    report.unwrap().n_deleted()
}

fn n_waiting(plan: &Plan) -> u64 {
    plan.waiting.iter().map(|rows| rows.n_rows).sum()
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.target_changes
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A row that 30 days let go.
async fn old_row(world: &World, table: &str, workspace: &str) {
    let sql = format!("INSERT INTO {table} VALUES ('{workspace}', 'p', '2026-10-01 00:00:00', 7)");
    world.sql(&sql).await;
}

#[tokio::test]
async fn rows_of_a_keep_that_is_removed_wait_and_so_do_their_parents() {
    let world = world().await;
    assert_eq!(approve(&engine(&world, KEEPS)).await, 4 * 69 - 1);
    assert_eq!(run(&engine(&world, KEEPS)).await.unwrap().1.n_deleted(), 0);
    for workspace in ["w1", "w2"] {
        old_row(&world, "traces", workspace).await;
    }

    let removed = engine(&world, SPANS);
    let (effective, report) = run(&removed).await.unwrap();
    assert_eq!(
        changes(&effective),
        ["target spans: its keep of n in items (in_column: n, in_workspace: w) was removed"]
    );
    assert_eq!(n_waiting(&effective), 2, "the span, and a trace of w1");
    assert_eq!(
        report.n_deleted(),
        1,
        "the trace of w2 has no span that waits"
    );
    assert_eq!(world.count("spans WHERE n = 201").await, 1);
    assert_eq!(world.count("traces WHERE w = 'w1' AND n = 7").await, 1);

    assert_eq!(approve(&removed).await, 2);
    let effective = plan(&removed).await;
    assert_eq!((changes(&effective), n_waiting(&effective)), (vec![], 0));
}

#[tokio::test]
async fn a_keep_that_is_added_acts_at_once() {
    let world = world().await;
    approve(&engine(&world, SPANS)).await;
    world.sql("INSERT INTO items VALUES ('w2', 7)").await;
    for workspace in ["w1", "w2"] {
        old_row(&world, "spans", workspace).await;
    }
    let (effective, report) = run(&engine(&world, KEEPS)).await.unwrap();
    assert_eq!((changes(&effective), n_waiting(&effective)), (vec![], 0));
    assert_eq!((report.n_deleted(), effective.tables[0].n_kept), (1, 1));

    // Who takes it away again, removes a keep.
    let (effective, report) = run(&engine(&world, SPANS)).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 0));
}

#[tokio::test]
async fn a_target_that_is_new_or_another_one_waits() {
    let world = world().await;
    for column in [
        "v String MATERIALIZED ''",
        "began DateTime('UTC') MATERIALIZED at",
    ] {
        let sql = format!("ALTER TABLE spans ADD COLUMN {column}");
        world.sql(&sql).await;
    }
    assert_eq!(approve(&engine(&world, "")).await, 2 * 69);
    let (effective, report) = run(&engine(&world, SPANS)).await.unwrap();
    assert_eq!(changes(&effective), ["target spans: is new"]);
    assert_eq!((n_waiting(&effective), report.n_deleted()), (2 * 69, 0));
    assert_eq!(approve(&engine(&world, SPANS)).await, 2 * 69);

    old_row(&world, "spans", "w1").await;
    for (other, change) in [
        (
            "workspace: w, age: {time: at}",
            "its project was p, and is none",
        ),
        (
            "workspace: w, project: v, age: {time: at}",
            "its project was p, and is v",
        ),
        (
            "workspace: w, project: p, age: {time: began}",
            "its age was {time: at}, and is {time: began}",
        ),
        (
            "workspace: p, project: w, age: {time: at}",
            "its workspace was w, and is p",
        ),
    ] {
        let other = format!("- {{table: spans, {other}}}\n");
        let (effective, report) = run(&engine(&world, &other)).await.unwrap();
        assert_eq!(report.n_deleted(), 0, "{other}");
        let expected = format!("target spans: {change}");
        assert!(changes(&effective).contains(&expected), "{effective:?}");
    }
    assert_eq!(world.count("spans WHERE w = 'w1' AND n = 7").await, 1);
}

#[tokio::test]
async fn another_server_or_database_waits_and_the_one_that_was_approved_goes_on() {
    let world = world().await;
    approve(&engine(&world, SPANS)).await;
    let url = world.database.url().to_owned();
    let other = url.replace("127.0.0.1", "localhost");
    assert_ne!(url, other);
    let with = |before: &str, after: &str| {
        let yaml = world.yaml.replace("approval: none, ", "");
        assert!(yaml.contains(before), "{yaml}");
        let config = Config::parse(&yaml.replace(before, after)).unwrap();
        world.engine_with(&config, NOW)
    };
    let quoted = |url: &str| format!("{{url: \"{url}\"}}");
    old_row(&world, "spans", "w1").await;

    let moved = with(&quoted(&url), &quoted(&other));
    let (effective, report) = run(&moved).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 0));
    assert!(
        changes(&effective)[0].ends_with(": is new"),
        "{effective:?}"
    );

    // Another instance looked at the same server by another name; what was approved goes on.
    let more = with(
        &quoted(&url),
        &format!("{}, {}", quoted(&url), quoted(&other)),
    );
    let (effective, report) = run(&more).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 1));

    let elsewhere = World::new().await;
    let name = |world: &World| format!("database: {}", world.database.name());
    let (effective, report) = run(&with(&name(&world), &name(&elsewhere))).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (4 * 69, 0));
    assert!(
        changes(&effective)[0].starts_with("the database was"),
        "{effective:?}"
    );
}

#[tokio::test]
async fn what_waits_is_armed_or_acts_at_once_where_nobody_has_to_approve() {
    let world = world().await;
    let with =
        |retention: &str, spans: &str| world.engine_with(&config(&world, retention, spans), NOW);
    let armed = "approval: none, armed_for: 1h, ";
    let noted = with(armed, KEEPS);
    run(&noted).await.unwrap();
    world.let_pass("2h");
    assert_eq!(run(&noted).await.unwrap().1.n_deleted(), 4 * 69 - 1);

    let removed = with(armed, SPANS);
    let (effective, report) = run(&removed).await.unwrap();
    assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 0));
    assert!(effective.armed_at.is_some());
    world.let_pass("2h");
    assert_eq!(run(&removed).await.unwrap().1.n_deleted(), 1);

    old_row(&world, "traces", "w1").await;
    let other = "- {table: spans, workspace: w, age: {time: at}}\n";
    let at_once = with("approval: none, ", other);
    let (effective, report) = run(&at_once).await.unwrap();
    assert_eq!((changes(&effective), report.n_deleted()), (vec![], 1));
}

#[tokio::test]
async fn an_approval_whose_targets_nobody_noted_counts_for_nothing() {
    let world = world().await;
    let engine = engine(&world, SPANS);
    approve(&engine).await;
    old_row(&world, "traces", "w1").await;
    // As versions before this one noted it.
    let ledger = rusqlite::Connection::open(world.folder.path().join("ledger.db")).unwrap();
    let sql = "UPDATE settings SET body = json_remove(body, '$.reach')";
    assert!(ledger.execute(sql, []).unwrap() > 0);
    let (effective, report) = run(&engine).await.unwrap();
    assert!(effective.is_unapproved());
    assert_eq!((n_waiting(&effective), report.n_deleted()), (1, 0));
    assert_eq!(approve(&engine).await, 1);
}

#[tokio::test]
async fn a_plan_that_claims_that_its_targets_were_approved_is_refused() {
    let world = world().await;
    approve(&engine(&world, KEEPS)).await;
    let approved = world.ledger.approved_revision().await.unwrap();
    let removed = engine(&world, SPANS);
    let mut forged = propose(&removed).await;
    assert_eq!(forged.n_due(), 1);
    (forged.basis, forged.base_revision) = (Basis::Effective, approved);
    let mutations = world.mutations().await;
    let error = apply(&removed, &forged).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(refusals[..], [Refusal::Unapproved { .. }]),
        "{error}"
    );
    assert_eq!(world.mutations().await, mutations);
}
