//! Reclaim: what deleted rows hold of the disk is seen and freed, and nothing else is gone.

use std::process::Command;
use std::sync::{Arc, Mutex};

use ebbtide::{
    Embedded, EmbeddedUser, Engine, EngineError, Event, NewPause, PauseScope, Reclaim,
    ReclaimReport, Reclaimed, Remains, RemainsNote, StepOutcomeKind, StepReport, Verdict, judge,
};
use tokio_util::sync::CancellationToken;

use super::world::{NOW, World, apply, at, now_as_sql, plan, tenure};
use crate::support::{block_on, embedded_options, wait_until};

/// So that only the rewrites of the tests happen, and no merge comes first.
const NO_MERGES: &str = "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1";
const PATCHES: &str = "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, \
                       enable_block_number_column = 1, enable_block_offset_column = 1";

/// `spans` in two partitions of 2,000 rows: every fifth row of `odd` is deleted, none of `even`.
async fn half_deleted(settings: &str) -> World {
    let mut world = World::new().await;
    world.sql("DROP TABLE spans SYNC").await;
    world
        .sql(&format!(
            "CREATE TABLE spans (w String, p String, at DateTime('UTC'), n UInt64, half String) \
             ENGINE = MergeTree ORDER BY (w, p, at) PARTITION BY half {settings}"
        ))
        .await;
    for half in ["even", "odd"] {
        world
            .sql(&format!(
                "INSERT INTO spans SELECT 'w', 'p', '{}', number, '{half}' FROM numbers(2000)",
                now_as_sql()
            ))
            .await;
    }
    let reclaim = "reclaim: {after: 0s}\ntargets:";
    world.yaml = world.yaml.replace("targets:", reclaim);
    world
}

const DELETE: &str = "DELETE FROM spans WHERE half = 'odd' AND n % 2 = 0";

async fn look(engine: &Engine) -> Vec<Reclaim> {
    let seen = engine.remains().await.unwrap();
    assert!(seen.unseen.is_empty(), "{:?}", seen.unseen);
    engine.weigh(seen.remains).await.unwrap()
}

async fn rewrite(engine: &Engine, remains: &Remains) -> ReclaimReport {
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let report = engine.reclaim(remains, &tenure, &never).await.unwrap();
    tenure.release().await.unwrap();
    report
}

/// Rows on disk, those that are deleted included.
async fn on_disk(world: &World) -> u64 {
    let sql = "SELECT sum(rows) FROM system.parts WHERE active AND database = currentDatabase() \
               AND table = 'spans' AND NOT startsWith(partition_id, 'patch-')";
    world
        .database
        .client()
        .query(sql)
        .fetch_one()
        .await
        .unwrap()
}

fn left(report: &ReclaimReport) -> &str {
    match &report.outcome {
        Reclaimed::Left { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_deleted_rows_hold_is_seen_and_freed_and_no_other_row_is_gone() {
    let world = half_deleted(NO_MERGES).await;
    let engine = world.engine();
    assert!(look(&engine).await.is_empty(), "nothing is deleted");
    world.sql(DELETE).await;

    let found = look(&engine).await;
    assert_eq!(found.len(), 1, "one partition has masks: {found:?}");
    let one = &found[0];
    assert!(one.is_due, "{}", one.reason);
    assert_eq!((&*one.remains.table, one.remains.n_rows), ("spans", 2_000));
    assert_eq!(one.remains.n_dead, 1_000);
    assert!(one.remains.dead_bytes > 0 && one.remains.dead_bytes < one.remains.rewrite_bytes);
    assert_eq!(on_disk(&world).await, 4_000, "deleted is not freed");
    let live = world.count("spans").await;

    let report = rewrite(&engine, &one.remains).await;
    assert!(report.freed_bytes() > 0, "{report:?}");
    assert_eq!(on_disk(&world).await, 3_000);
    assert_eq!(world.count("spans").await, live);
    assert!(look(&engine).await.is_empty());

    let cycle = world
        .ledger
        .cycle(&report.cycle.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&*cycle.start.kind, &*cycle.end.unwrap().1),
        ("reclaim", "reclaimed")
    );
    assert_eq!(world.ledger.last_success().await.unwrap(), None);
    let steps = world.ledger.steps(&cycle.start.id).await.unwrap();
    assert_eq!(steps.len(), 1);
    let (intent, outcome) = (&steps[0].intent, steps[0].outcome.as_ref().unwrap());
    assert_eq!((&*intent.method, intent.rows_due), ("reclaim", 1_000));
    assert_eq!(
        (&*outcome.verdict, outcome.rows_left),
        ("verified", Some(0))
    );
    assert_eq!(judge(outcome.rows_left), Verdict::Verified);
    let deleted = world.ledger.deleted_since(at(NOW)).await.unwrap();
    assert!(deleted.is_empty(), "nothing is deleted by it: {deleted:?}");

    let again = rewrite(&engine, &one.remains).await;
    assert!(left(&again).contains("no deleted row"), "{again:?}");
    assert_eq!(rewrites(&world).await, 1);
}

/// Mutations that apply masks or patches.
async fn rewrites(world: &World) -> u64 {
    let database = world.database.name();
    world
        .count(&format!(
            "system.mutations WHERE database = '{database}' AND command LIKE '%APPLY %'"
        ))
        .await
}

#[tokio::test]
async fn without_enough_free_disk_nothing_is_rewritten_and_it_says_why() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine_with(
        &world.config_with("after: 0s", "after: 0s, free_disk: 1.0e12"),
        NOW,
    );
    let found = look(&engine).await;
    assert!(!found[0].is_due);
    assert!(
        found[0].reason.contains("too little disk is free"),
        "{}",
        found[0].reason
    );
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(
        left(&report).contains("too little disk is free"),
        "{report:?}"
    );
    assert_eq!(report.cycle, None);
    assert_eq!(rewrites(&world).await, 0);
}

#[tokio::test]
async fn what_is_paused_after_the_look_is_left_alone() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine();
    let found = look(&engine).await;
    assert!(found[0].is_due);
    world.pause(PauseScope::Target("spans".into())).await;
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(left(&report).contains("paused"), "{report:?}");
    assert_eq!(rewrites(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paused_just_before_the_intent_is_left_alone() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let ledger = world.ledger.clone();
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, Event::Reclaiming { .. }) {
            let pause = NewPause {
                scope: PauseScope::Target("spans".into()),
                reason: "just in time".into(),
                created_at: at(NOW),
            };
            block_on(ledger.pause(&pause, "test".into())).unwrap();
        }
    });
    let found = look(&engine).await;
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(left(&report).contains("changed meanwhile"), "{report:?}");
    assert_eq!(rewrites(&world).await, 0);
}

#[tokio::test]
async fn out_of_the_window_and_while_the_table_is_busy_nothing_is_rewritten() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine_with(&world.paced("window: \"11:00-12:00\""), NOW);
    let found = look(&engine).await;
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let closed = engine.reclaim(&found[0].remains, &tenure, &never).await;
    assert!(
        matches!(closed, Err(EngineError::Closed { .. })),
        "{closed:?}"
    );
    tenure.release().await.unwrap();
    // Whoever delays inserts at one part has as many as there may be.
    let delay = "ALTER TABLE spans MODIFY SETTING parts_to_delay_insert = 1";
    world.sql(delay).await;
    let engine = world.engine_with(&world.paced("longest_wait: 1s"), NOW);
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(left(&report).contains("active parts"), "{report:?}");
    assert_eq!(rewrites(&world).await, 0);
}

#[tokio::test]
async fn since_when_rows_are_deleted_is_remembered_over_mutations_of_anybody() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let week = world.config_with("after: 0s", "after: 7d");
    let now = look(&world.engine_with(&week, NOW)).await;
    assert!(now[0].reason.contains("reclaim.after"), "{}", now[0].reason);
    // The server gives all parts a new time.
    world
        .sql("ALTER TABLE spans UPDATE n = n WHERE n = 1 SETTINGS mutations_sync = 2")
        .await;
    let later = look(&world.engine_with(&week, "2026-11-28T10:00:00Z")).await;
    assert_eq!(later[0].remains.since, now[0].remains.since);
    assert!(later[0].is_due, "{}", later[0].reason);
}

#[tokio::test]
async fn a_mutation_of_anybody_that_is_not_finished_keeps_a_table_as_it_is() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine();
    let found = look(&engine).await;
    world.sql("SYSTEM STOP MERGES spans").await;
    world
        .sql("ALTER TABLE spans UPDATE n = n WHERE n = 1 SETTINGS mutations_sync = 0")
        .await;
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(left(&report).contains("not finished: 1"), "{report:?}");
    assert_eq!(rewrites(&world).await, 0);
}

#[tokio::test]
async fn deletes_in_patch_parts_become_masks_and_are_freed_then() {
    let world = half_deleted(PATCHES).await;
    world
        .sql(&format!(
            "{DELETE} SETTINGS lightweight_delete_mode = 'lightweight_update_force'"
        ))
        .await;
    let engine = world.engine();
    let found = look(&engine).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].remains.has_patches && found[0].is_due, "{found:?}");
    assert_eq!(found[0].remains.n_dead, 1_000);
    let live = world.count("spans").await;

    let report = rewrite(&engine, &found[0].remains).await;
    assert_eq!(report.outcome, Reclaimed::Masked, "{report:?}");
    let found = look(&engine).await;
    assert!(!found[0].remains.has_patches, "{found:?}");
    assert_eq!(found[0].remains.n_dead, 1_000);

    let report = rewrite(&engine, &found[0].remains).await;
    assert!(report.freed_bytes() > 0, "{report:?}");
    assert_eq!(
        (on_disk(&world).await, world.count("spans").await),
        (3_000, live)
    );
    assert!(look(&engine).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_after_its_intent_leaves_a_step_that_the_next_one_settles() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let config = world.folder.path().join("config.yml");
    std::fs::write(&config, format!("{}serve: {{lease: 1s}}\n", world.yaml)).unwrap();
    world.sql("SYSTEM STOP MERGES spans").await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args(["-c", config.to_str().unwrap(), "reclaim"])
        .spawn()
        .unwrap();
    let database = world.database.name();
    world
        .wait_for(
            &format!("system.mutations WHERE database = '{database}' AND NOT is_done"),
            1,
        )
        .await;
    process.kill().unwrap();
    process.wait().unwrap();
    let cycle = world.ledger.cycles(1).await.unwrap().remove(0).start.id;
    let steps = world.ledger.steps(&cycle).await.unwrap();
    assert!(
        steps[0].outcome.is_none(),
        "the intent was written before the effect"
    );

    // While it runs nobody knows, and nothing is sent again.
    let reclaim = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
        command.args(["-c", config.to_str().unwrap(), "--format=json", "reclaim"]);
        command.output().unwrap()
    };
    let output = reclaim();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not finished: 1"), "{text}");
    assert_eq!(rewrites(&world).await, 1);
    world.sql("SYSTEM START MERGES spans").await;
    world
        .wait_for(
            &format!("system.mutations WHERE database = '{database}' AND NOT is_done"),
            0,
        )
        .await;

    world
        .sql("DELETE FROM spans WHERE half = 'even' AND n % 2 = 0")
        .await;
    wait_until("the lease of the killed process to end", || {
        reclaim().status.code() != Some(75)
    });
    let steps = world.ledger.steps(&cycle).await.unwrap();
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!((&*outcome.verdict, outcome.rows_left), ("unknown", Some(0)));
    assert_eq!(
        (on_disk(&world).await, world.count("spans").await),
        (2_000, 2_000)
    );
    assert_eq!(rewrites(&world).await, 2, "the first was not sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrite_out_of_time_is_neither_done_nor_sent_again() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let impatient = world.config_with(
        "clickhouse: {",
        "clickhouse: {statement_timeout: 1s, settle_timeout: 1s, ",
    );
    let engine = world.engine_with(&impatient, NOW);
    let found = look(&engine).await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let report = rewrite(&engine, &found[0].remains).await;
    let Reclaimed::Failed { error } = &report.outcome else {
        panic!("{report:?}");
    };
    assert!(error.contains("still running"), "{error}");
    let steps = world.ledger.steps(&report.cycle.unwrap()).await.unwrap();
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!((&*outcome.verdict, outcome.rows_left), ("failed", None));
    let report = rewrite(&engine, &found[0].remains).await;
    assert!(left(&report).contains("not finished: 1"), "{report:?}");

    world.sql("SYSTEM START MERGES spans").await;
    let database = world.database.name();
    let unfinished = format!("system.mutations WHERE database = '{database}' AND NOT is_done");
    world.wait_for(&unfinished, 0).await;
    assert!(look(&engine).await.is_empty());
    assert_eq!(rewrites(&world).await, 1);
}

/// A delete would only wait behind it, and would come to nothing in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delete_is_sent_behind_a_rewrite_that_is_not_finished() {
    let world = half_deleted(NO_MERGES).await;
    world
        .sql("INSERT INTO spans SELECT 'w1', 'p', '2026-01-01', number, 'old' FROM numbers(9)")
        .await;
    world.sql(DELETE).await;
    world.rule("w1", "30d").await;
    let stalled = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&stalled);
    let strict = world.paced("stall_after: 1s");
    let engine = world.engine_with(&strict, NOW);
    let engine = engine.observed_by(move |event| {
        if let Event::Stalled { mutations, .. } = event {
            heard.lock().unwrap().extend(mutations.iter().cloned());
        }
    });
    let seen_before = plan(&engine).await;
    assert!(seen_before.unprobed.is_empty(), "{seen_before:?}");
    world.sql("SYSTEM STOP MERGES spans").await;
    world
        .sql("ALTER TABLE spans APPLY DELETED MASK IN PARTITION ID 'odd' SETTINGS mutations_sync = 0")
        .await;

    let old = format!(
        "system.mutations WHERE database = '{}' AND NOT is_done AND create_time < now() - 1",
        world.database.name()
    );
    world.wait_for(&old, 1).await;

    let report = apply(&engine, &seen_before).await.unwrap();
    let skipped = |step: &StepReport| match &step.outcome {
        StepOutcomeKind::Skipped { reason } => step.is_running && reason.contains("a rewrite that"),
        _ => false,
    };
    assert!(skipped(&report.steps[0]), "{report:#?}");
    let unprobed = plan(&engine).await.unprobed;
    assert!(
        unprobed[0].reason.contains("a rewrite that"),
        "{unprobed:?}"
    );
    assert_eq!(world.mutations().await, 0, "no delete was sent");
    let stalled = stalled.lock().unwrap();
    assert!(stalled[0].contains("mutation_"), "{stalled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_go_besides_make_it_no_success() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine();
    let found = look(&engine).await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let database = world.database.name();
    let unfinished = format!("system.mutations WHERE database = '{database}' AND NOT is_done");
    let drop = async {
        world.wait_for(&unfinished, 1).await;
        world.sql("ALTER TABLE spans DROP PARTITION 'odd'").await;
        world.sql("SYSTEM START MERGES spans").await;
    };
    let (report, ()) = tokio::join!(rewrite(&engine, &found[0].remains), drop);
    let Reclaimed::Failed { error } = &report.outcome else {
        panic!("{report:?}");
    };
    assert!(
        error.contains("1000 rows are gone that were not masked"),
        "{error}"
    );
}

#[tokio::test]
async fn masks_need_the_grant_of_deletes_and_patches_one_more() {
    let mut options = embedded_options();
    let user = |name: &str, grants: &[&str]| EmbeddedUser {
        name: name.into(),
        password: String::new(),
        grants: grants.iter().map(|&grant| grant.into()).collect(),
        profile_xml: String::new(),
        databases_xml: String::new(),
    };
    options.users = vec![
        user("deletes", &["GRANT ALTER DELETE ON default.*"]),
        user("updates", &["GRANT ALTER UPDATE ON default.*"]),
    ];
    let server = Embedded::start(options).unwrap();
    let client = clickhouse::Client::default().with_url(server.url());
    let create = "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n";
    client.query(create).execute().await.unwrap();
    for (allowed, denied, what) in [
        ("deletes", "updates", "APPLY DELETED MASK"),
        ("updates", "deletes", "APPLY PATCHES"),
    ] {
        let sql = format!("ALTER TABLE t {what} IN PARTITION ID 'all'");
        let send = |user: &str| client.clone().with_user(user).query(&sql).execute();
        send(allowed).await.unwrap();
        let error = send(denied).await.unwrap_err().to_string();
        assert!(error.contains("Not enough privileges"), "{what}: {error}");
    }
}

/// It noted no parts: what it knew of a partition is true of each of them.
#[tokio::test]
async fn since_when_rows_are_deleted_is_known_from_an_earlier_version() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let engine = world.engine();
    look(&engine).await;
    let notes = world.ledger.remains().await.unwrap();
    let note = notes
        .into_iter()
        .find(|note| note.table == "spans")
        .unwrap();
    let mut body: serde_json::Value = serde_json::from_str(&note.body).unwrap();
    let partition = body[0].as_object_mut().unwrap();
    assert!(partition.remove("masks").is_some());
    let since = "2026-10-01T10:00:00Z";
    partition.insert("since".into(), since.into());
    let earlier = RemainsNote {
        body: body.to_string(),
        ..note
    };
    world.ledger.note_remains(&earlier).await.unwrap();
    for _ in 0..2 {
        assert_eq!(look(&engine).await[0].remains.since, at(since));
    }
}

/// A table that always has some deleted rows is old only where no merge took them.
#[tokio::test]
async fn a_merge_makes_masks_young_and_a_mutation_does_not() {
    let world = half_deleted(NO_MERGES).await;
    world.sql(DELETE).await;
    let week = world.config_with("after: 0s", "after: 7d");
    let since = async |now: &str| {
        let found = look(&world.engine_with(&week, now)).await;
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].remains.since, found[0].is_due)
    };
    let (first, _) = since(NOW).await;
    assert!(first <= at(NOW));

    // Between two looks all of it is merged away, and other rows are deleted.
    world.sql("OPTIMIZE TABLE spans FINAL").await;
    world
        .sql("DELETE FROM spans WHERE half = 'odd' AND n < 1000")
        .await;
    let (merged, is_due) = since("2026-12-01T10:00:00Z").await;
    assert!(merged > at("2026-12-01T09:00:00Z"), "{merged}");
    assert!(!is_due);

    // The oldest of several parts counts, whatever is masked in it or beside it later.
    world
        .sql("INSERT INTO spans SELECT 'w', 'p', now(), number, 'odd' FROM numbers(1000)")
        .await;
    world
        .sql("DELETE FROM spans WHERE half = 'odd' AND n % 5 = 0")
        .await;
    let (later, is_due) = since("2026-12-09T10:00:00Z").await;
    assert_eq!(later, merged);
    assert!(is_due);
}
