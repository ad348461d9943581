//! Quarantine: whole partitions can be brought back for a while, and then are dropped.

use ebbtide::{
    Backfill, CycleStatus, Days, Engine, Method, NewQuarantine, PauseScope, PlanRequest,
    QuarantineRecord, QuarantineState, Scope, Undone, Witness,
};
use tokio_util::sync::CancellationToken;

use super::method::{finite, partitioned, steps};
use super::world::{NOW, World, at, plan, run, tenure};

/// A week after the cycle of [`NOW`], to the second.
const LATER: &str = "2026-11-28T10:00:00Z";

/// Months of spans and traces, everybody's end after 30 days, and a week to bring partitions back.
async fn kept_for_a_week() -> World {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    for table in ["spans", "traces"] {
        let before = format!("{{table: {table},");
        assert!(world.yaml.contains(&before));
        let after = format!("{before} quarantine: {{for: 7d}},");
        world.yaml = world.yaml.replace(&before, &after);
    }
    world
}

/// Partitions in quarantine by table and state.
async fn records(world: &World) -> Vec<QuarantineRecord> {
    world.ledger.quarantines(true).await.unwrap()
}

async fn states(world: &World) -> Vec<(String, String, QuarantineState, u64)> {
    let state = |record: QuarantineRecord| {
        let new = record.quarantine;
        (new.table, new.partition, record.state, record.n_rows)
    };
    let mut states: Vec<_> = records(world).await.into_iter().map(state).collect();
    states.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    states
}

fn all(state: QuarantineState) -> Vec<(String, String, QuarantineState, u64)> {
    let of = |table: &str, partition: &str, n_rows| (table.into(), partition.into(), state, n_rows);
    vec![
        of("spans", "202608", 72),
        of("spans", "202609", 120),
        of("traces", "202608", 72),
        of("traces", "202609", 120),
    ]
}

async fn n_quarantine_tables(world: &World) -> u64 {
    world
        .count(
            "system.tables WHERE database = currentDatabase() AND name LIKE '_ebbtide_quarantine_%'",
        )
        .await
}

/// Every row of a table up to the end of September, in order.
async fn old_rows(world: &World, table: &str) -> Vec<(String, String, u32, u64)> {
    let sql = format!(
        "SELECT w, p, toUnixTimestamp(at), n FROM {table} WHERE at < '2026-10-01' ORDER BY ALL"
    );
    let client = world.database.client();
    client.query(&sql).fetch_all().await.unwrap()
}

async fn undo(engine: &Engine, chosen: &[QuarantineRecord]) -> Vec<Undone> {
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let undone = engine.undo(chosen, "ann", &tenure, &never).await.unwrap();
    tenure.release().await.unwrap();
    undone
}

/// The record and the tables of the ledger agree.
async fn is_on_record(world: &World) {
    let mut witness = Witness::default();
    let hear = &mut |entry| witness.hear(&entry);
    world.ledger.each_entry(0, None, hear).await.unwrap();
    let differences = witness.compare(&*world.ledger).await.unwrap();
    assert_eq!(differences, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_moved_comes_back_row_by_row_and_stays() {
    let world = kept_for_a_week().await;
    let before = [
        old_rows(&world, "spans").await,
        old_rows(&world, "traces").await,
    ];
    assert_eq!(before[0].len(), 192);
    let (made, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(steps(&made)[0].0, Method::Partition);
    assert!(
        made.steps[0]
            .reason
            .ends_with("; kept in quarantine for 7d")
    );
    for table in ["spans", "traces"] {
        assert_eq!(old_rows(&world, table).await, []);
        assert_eq!(world.count(table).await, 124);
    }
    assert_eq!(states(&world).await, all(QuarantineState::Kept));
    assert_eq!(n_quarantine_tables(&world).await, 2);
    let kept = records(&world).await;
    assert!(kept.iter().all(|record| record.n_bytes > 0
        && record.quarantine.cycle == report.cycle
        && record.quarantine.keep_until == at(LATER)));

    let engine = world.engine_at("2026-11-27T10:00:00Z");
    let undone = undo(&engine, &kept).await;
    assert_eq!(
        undone
            .iter()
            .filter_map(|undone| undone.n_rows)
            .sum::<u64>(),
        384,
        "{undone:#?}"
    );
    let after = [
        old_rows(&world, "spans").await,
        old_rows(&world, "traces").await,
    ];
    assert_eq!(after, before);
    assert_eq!(states(&world).await, all(QuarantineState::Undone));
    assert_eq!(n_quarantine_tables(&world).await, 0);
    is_on_record(&world).await;

    // They are due again, and nothing takes them until somebody says so.
    let made = plan(&engine).await;
    assert_eq!((made.steps.len(), made.paused.len()), (0, 2), "{made:#?}");
    for table in ["spans", "traces"] {
        let scope = PauseScope::Target(table.into());
        assert!(world.ledger.resume(&scope, "ann", at(NOW)).await.unwrap());
    }
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(old_rows(&world, "spans").await, []);
}

#[tokio::test]
async fn one_partition_comes_back_and_the_others_stay_where_they_are() {
    let world = kept_for_a_week().await;
    run(&world.engine()).await.unwrap();
    let mut chosen = records(&world).await;
    chosen.retain(|record| {
        record.quarantine.table == "spans" && record.quarantine.partition == "202609"
    });
    let undone = undo(&world.engine(), &chosen).await;
    assert_eq!((undone.len(), undone[0].n_rows), (1, Some(120)));
    assert_eq!(old_rows(&world, "spans").await.len(), 120);
    assert_eq!(old_rows(&world, "traces").await, []);
    assert_eq!(n_quarantine_tables(&world).await, 2);
    // A second time there is nothing to bring back.
    let again = world.ledger.quarantines(false).await.unwrap();
    assert_eq!(again.len(), 3);
}

#[tokio::test]
async fn it_is_dropped_after_its_time_and_not_before() {
    let world = kept_for_a_week().await;
    run(&world.engine()).await.unwrap();
    run(&world.engine_at("2026-11-28T09:59:59Z")).await.unwrap();
    assert_eq!(states(&world).await, all(QuarantineState::Kept));
    let (_, report) = run(&world.engine_at(LATER)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(states(&world).await, all(QuarantineState::Dropped));
    assert_eq!(n_quarantine_tables(&world).await, 0);
    is_on_record(&world).await;
}

#[tokio::test]
async fn whoever_wants_a_row_of_it_later_gets_all_of_it_back() {
    for why in ["hold", "unlimited", "100d"] {
        let world = kept_for_a_week().await;
        run(&world.engine()).await.unwrap();
        if why == "hold" {
            world.hold(Scope::Workspace("w1".into()), None).await;
        } else {
            world.rule("w1", why).await;
        }
        // Until then it is kept as was promised.
        run(&world.engine_at("2026-11-28T09:59:59Z")).await.unwrap();
        assert_eq!(states(&world).await, all(QuarantineState::Kept), "{why}");
        let (_, report) = run(&world.engine_at(LATER)).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{why}: {report:#?}");
        assert_eq!(states(&world).await, all(QuarantineState::Undone), "{why}");
        assert_eq!(n_quarantine_tables(&world).await, 0);
        assert!(world.ledger.pauses(false).await.unwrap().is_empty());
        // The same cycle masks what is due of the others.
        for table in ["spans", "traces"] {
            let old = |who: &str| format!("{table} WHERE at < '2026-10-01' AND w {who} 'w1'");
            assert_eq!(world.count(&old("!=")).await, 0, "{why}");
            let n_left = world.count(&old("=")).await;
            assert!((40..=48).contains(&n_left), "{why}: {n_left}");
        }
        is_on_record(&world).await;
    }
}

#[tokio::test]
async fn while_only_a_pause_keeps_it_it_waits() {
    let world = kept_for_a_week().await;
    run(&world.engine()).await.unwrap();
    let scope = PauseScope::Workspace("w1".into());
    world.pause(scope.clone()).await;
    run(&world.engine_at(LATER)).await.unwrap();
    assert_eq!(states(&world).await, all(QuarantineState::Kept));
    world.ledger.resume(&scope, "ann", at(NOW)).await.unwrap();
    run(&world.engine_at(LATER)).await.unwrap();
    assert_eq!(states(&world).await, all(QuarantineState::Dropped));
}

#[tokio::test]
async fn a_row_that_should_stay_and_is_found_before_the_drop_takes_its_partition_back() {
    let world = kept_for_a_week().await;
    run(&world.engine()).await.unwrap();
    let is_of_spans = |record: &QuarantineRecord| record.quarantine.table == "spans";
    let kept = records(&world).await.into_iter().find(is_of_spans).unwrap();
    let late = format!(
        "INSERT INTO {} VALUES (unhex('ff'), 'p', '2026-08-20 00:00:00', 1)",
        kept.quarantine.kept_in
    );
    world.sql(&late).await;
    run(&world.engine_at(LATER)).await.unwrap();
    let of = |states: &[(String, String, QuarantineState, u64)], partition: &str| {
        let is_it = |one: &&(String, String, _, _)| one.0 == "spans" && one.1 == partition;
        states.iter().find(is_it).map(|one| one.2)
    };
    let states = states(&world).await;
    assert_eq!(of(&states, "202608"), Some(QuarantineState::Undone));
    assert_eq!(of(&states, "202609"), Some(QuarantineState::Dropped));
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 1);
    assert_eq!(n_quarantine_tables(&world).await, 0);
    is_on_record(&world).await;
}

/// What proved it once proves nothing where the target is another one now.
#[tokio::test]
async fn what_its_target_of_now_keeps_or_cannot_match_goes_back() {
    let spans = "{table: spans, quarantine: {for: 7d}, workspace: w, project: p,";
    let keep = "keep: [{column: at, in_table: items, in_column: t, in_workspace: w}],";
    for (after, both_go_back) in [
        (
            format!("{{table: spans, workspace: w, project: p, {keep}"),
            false,
        ),
        (
            "{table: spans, quarantine: {for: 7d}, workspace: w,".to_owned(),
            true,
        ),
    ] {
        let world = kept_for_a_week().await;
        world
            .sql("CREATE TABLE items (w String, t DateTime('UTC')) ENGINE = MergeTree ORDER BY w")
            .await;
        run(&world.engine()).await.unwrap();
        assert_eq!(states(&world).await, all(QuarantineState::Kept));
        // It expires more than before, and nobody knows which rows of a table without projects.
        world.project_rule("w1", "p", "7d").await;
        let config = world.config_with(spans, &after);
        run(&world.engine_with(&config, LATER)).await.unwrap();
        for (table, _, state, _) in states(&world).await {
            let goes_back = table == "spans" || both_go_back;
            let expected = if goes_back {
                QuarantineState::Undone
            } else {
                QuarantineState::Dropped
            };
            assert_eq!(state, expected, "{table}: {after}");
        }
    }
}

/// The server moves one partition after the other, so one may be away when another fails.
#[tokio::test]
async fn what_a_move_that_failed_did_is_known_at_once() {
    let world = kept_for_a_week().await;
    let sql = "SELECT path FROM system.parts WHERE active AND database = currentDatabase() \
               AND table = 'spans' AND partition_id = '202609'";
    let client = world.database.client();
    let paths: Vec<String> = client.query(sql).fetch_all().await.unwrap();
    assert!(!paths.is_empty());
    for path in paths {
        std::fs::remove_file(std::path::Path::new(&path).join("count.txt")).unwrap();
    }
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_ne!(report.status, CycleStatus::Done, "{report:#?}");
    let mut of_spans = states(&world).await;
    of_spans.retain(|state| state.0 == "spans");
    let of = |partition: &str, state, n_rows| ("spans".into(), partition.into(), state, n_rows);
    assert_eq!(
        of_spans,
        [
            of("202608", QuarantineState::Kept, 72),
            of("202609", QuarantineState::Undone, 0)
        ]
    );
}

/// Whoever asks for a backfill did not ask for this.
#[tokio::test]
async fn a_backfill_drops_nothing_of_it() {
    let world = kept_for_a_week().await;
    run(&world.engine()).await.unwrap();
    let backfill = Backfill {
        by: "eva".into(),
        scope: Scope::Workspace("w1".into()),
        older_than: Days::new(30).unwrap(),
        targets: Vec::new(),
    };
    let engine = world.engine_at(LATER);
    let request = PlanRequest::of_backfill(backfill, at(LATER));
    let of_backfill = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let mut backfilling = engine.backfill(&request);
    while backfilling.cycle(&of_backfill, &never).await.unwrap() {}
    of_backfill.release().await.unwrap();
    let report = backfilling.end().unwrap().report;
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(states(&world).await, all(QuarantineState::Kept));
}

/// What a process did before it was killed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Killed {
    Recorded,
    Created,
    Moved,
}

const KEPT_IN: &str = "_ebbtide_quarantine_dead_1";

/// A process that was killed while it moved August of the spans.
async fn killed(world: &World, at_last: Killed) {
    let new = NewQuarantine {
        cycle: "dead".into(),
        step: 1,
        partition: "202608".into(),
        shard: world.database.url().into(),
        table: "spans".into(),
        kept_in: KEPT_IN.into(),
        began_at: at(NOW),
        keep_until: at(LATER),
    };
    world.ledger.begin_quarantine(&[new], "dead").await.unwrap();
    if at_last >= Killed::Created {
        world.sql(&format!("CREATE TABLE {KEPT_IN} AS spans")).await;
    }
    if at_last >= Killed::Moved {
        move_to(world, "spans", KEPT_IN).await;
    }
}

async fn move_to(world: &World, from: &str, to: &str) {
    let sql = format!("ALTER TABLE {from} MOVE PARTITION ID '202608' TO TABLE {to}");
    world.sql(&sql).await;
}

/// What became of what the killed process began.
async fn dead(world: &World) -> QuarantineRecord {
    let mut of_dead = records(world).await;
    of_dead.retain(|record| record.quarantine.cycle == "dead");
    of_dead.remove(0)
}

/// Puts that on in the name of somebody who then is killed.
async fn killed_while(world: &World, state: QuarantineState) {
    let tenure = world.tenure().await;
    let record = dead(world).await;
    let change = record.change(state, at(NOW), tenure.token());
    world
        .ledger
        .change_quarantine(&change, "dead")
        .await
        .unwrap();
    tenure.release().await.unwrap();
}

#[tokio::test]
async fn whenever_a_move_is_killed_every_row_is_in_one_place() {
    for at_last in [Killed::Recorded, Killed::Created, Killed::Moved] {
        let world = kept_for_a_week().await;
        killed(&world, at_last).await;
        run(&world.engine()).await.unwrap();
        let dead = dead(&world).await;
        if at_last == Killed::Moved {
            assert_eq!((dead.state, dead.n_rows), (QuarantineState::Kept, 72));
        } else {
            // Nothing had left, and the cycle itself took it.
            assert_eq!((dead.state, dead.n_rows), (QuarantineState::Undone, 0));
        }
        let kept = world.ledger.quarantines(false).await.unwrap();
        assert_eq!(
            kept.iter().map(|record| record.n_rows).sum::<u64>(),
            384,
            "{at_last:?}"
        );
        undo(&world.engine(), &kept).await;
        assert_eq!(old_rows(&world, "spans").await.len(), 192, "{at_last:?}");
        assert_eq!(n_quarantine_tables(&world).await, 0);
        is_on_record(&world).await;
    }
}

#[tokio::test]
async fn a_row_that_should_stay_and_came_with_a_move_goes_back_at_once() {
    let world = kept_for_a_week().await;
    let late = "INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-08-20 00:00:00', 1)";
    world.sql(late).await;
    killed(&world, Killed::Moved).await;
    assert_eq!(world.count("spans WHERE at < '2026-09-01'").await, 0);
    let (made, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    // The month is live again, its due rows are masked, and the one that is nobody's stays.
    assert_eq!(dead(&world).await.state, QuarantineState::Undone);
    assert_eq!(made.steps[0].partitions, ["202609".into()]);
    assert_eq!(world.count("spans WHERE at < '2026-10-22'").await, 1);
    is_on_record(&world).await;
}

/// Nobody looked at it after its move, and while something is paused nothing proves that it may go.
#[tokio::test]
async fn what_a_killed_process_moved_goes_back_where_nothing_proves_it() {
    let world = kept_for_a_week().await;
    let late = "INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-08-20 00:00:00', 1)";
    world.sql(late).await;
    killed(&world, Killed::Moved).await;
    world.pause(PauseScope::Target("spans".into())).await;
    run(&world.engine()).await.unwrap();
    let record = dead(&world).await;
    assert_eq!((record.state, record.n_rows), (QuarantineState::Undone, 73));
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 193);
    is_on_record(&world).await;
}

#[tokio::test]
async fn whenever_an_undo_is_killed_it_is_ended() {
    for is_back in [false, true] {
        let world = kept_for_a_week().await;
        killed(&world, Killed::Moved).await;
        run(&world.engine()).await.unwrap();
        killed_while(&world, QuarantineState::Undoing).await;
        world.pause(PauseScope::Target("spans".into())).await;
        if is_back {
            move_to(&world, KEPT_IN, "spans").await;
        }
        run(&world.engine()).await.unwrap();
        let record = dead(&world).await;
        assert_eq!((record.state, record.n_rows), (QuarantineState::Undone, 72));
        assert_eq!(old_rows(&world, "spans").await.len(), 72, "{is_back}");
        assert_eq!(
            world
                .count(&format!(
                    "system.tables WHERE name = '{KEPT_IN}' AND database = currentDatabase()"
                ))
                .await,
            0
        );
        is_on_record(&world).await;
    }
}

#[tokio::test]
async fn whenever_a_drop_is_killed_it_is_ended_unless_somebody_wants_it_now() {
    let gone = [
        String::new(),
        format!("ALTER TABLE {KEPT_IN} DROP PARTITION ID '202608'"),
        format!("DROP TABLE {KEPT_IN} SYNC"),
    ];
    for sql in gone {
        let world = kept_for_a_week().await;
        killed(&world, Killed::Moved).await;
        run(&world.engine()).await.unwrap();
        killed_while(&world, QuarantineState::Dropping).await;
        if !sql.is_empty() {
            world.sql(&sql).await;
        }
        let hold = world.hold(Scope::Workspace("w1".into()), None).await;
        run(&world.engine_at(LATER)).await.unwrap();
        if sql.is_empty() {
            assert_eq!(dead(&world).await.state, QuarantineState::Undone);
            let rows_of_w1 = "spans WHERE at < '2026-09-01' AND w = 'w1'";
            assert_eq!(world.count(rows_of_w1).await, 18);
            is_on_record(&world).await;
            continue;
        }
        assert_eq!(dead(&world).await.state, QuarantineState::Dropping);
        let rows = undo(&world.engine_at(LATER), &[dead(&world).await]).await;
        assert_eq!(rows[0].n_rows, None, "{rows:#?}");
        world
            .ledger
            .release_hold(hold, "ann", at(NOW))
            .await
            .unwrap();
        let scope = PauseScope::Target("spans".into());
        world.ledger.resume(&scope, "ann", at(NOW)).await.unwrap();
        run(&world.engine_at(LATER)).await.unwrap();
        assert_eq!(dead(&world).await.state, QuarantineState::Dropped);
        is_on_record(&world).await;
    }
}

#[tokio::test]
async fn only_a_table_of_the_quarantine_is_ever_dropped() {
    let world = kept_for_a_week().await;
    world.sql("CREATE TABLE precious AS spans").await;
    let new = NewQuarantine {
        cycle: "forged".into(),
        step: 1,
        partition: "202608".into(),
        shard: world.database.url().into(),
        table: "spans".into(),
        kept_in: "precious".into(),
        began_at: at(NOW),
        keep_until: at(NOW),
    };
    world.ledger.begin_quarantine(&[new], "eve").await.unwrap();
    run(&world.engine_at(LATER)).await.unwrap();
    assert_eq!(world.count("precious").await, 0);
    let record = &records(&world).await[0];
    assert_eq!(record.state, QuarantineState::Moving);
    let undone = undo(&world.engine(), std::slice::from_ref(record)).await;
    assert!(undone[0].error.is_some(), "{undone:#?}");
}

/// The server refuses to move a partition with patches that are not applied.
#[tokio::test]
async fn a_partition_with_patches_is_masked() {
    let mut world = partitioned(
        "toYYYYMM(at)",
        "SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1",
    )
    .await;
    finite(&mut world);
    world.yaml = world
        .yaml
        .replace("{table: spans,", "{table: spans, quarantine: {for: 7d},");
    let patch = "DELETE FROM spans WHERE at = '2026-09-10 10:00:00' AND w = 'w1' \
                 SETTINGS lightweight_delete_mode = 'lightweight_update_force'";
    world.sql(patch).await;
    let (made, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(made.steps[0].partitions, ["202608".into()], "{made:#?}");
    assert_eq!(world.count("spans WHERE at < '2026-10-22'").await, 0);
}

#[tokio::test]
async fn a_target_that_could_have_none_is_refused() {
    let world = World::new().await;
    let keep = "keep: [{column: n, in_table: traces, in_column: n, in_workspace: w}]";
    for (more, why) in [
        ("", "none goes as a whole"),
        (keep, "what another table keeps"),
    ] {
        let after = format!("{{table: spans, {more}, quarantine: {{for: 7d}},").replace(" , ", " ");
        let config = world.config_with("{table: spans,", &after);
        let engine = world.engine_with(&config, NOW);
        let Err(error) = engine.plan(&PlanRequest::default()).await else {
            panic!("{more}");
        };
        let text = error.to_string();
        assert!(text.contains("quarantine") && text.contains(why), "{text}");
    }
}

/// What a rewrite or a delete has begun in a partition would not go on where it is moved to.
#[tokio::test]
async fn while_a_rewrite_is_not_finished_nothing_is_moved() {
    let world = kept_for_a_week().await;
    world.sql("DELETE FROM spans WHERE w = 'w3'").await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let rewrite = "ALTER TABLE spans APPLY DELETED MASK SETTINGS mutations_sync = 0";
    world.sql(rewrite).await;
    let (made, report) = run(&world.engine()).await.unwrap();
    assert_eq!(steps(&made)[0].0, Method::Partition);
    assert_eq!(report.n_statements(), 0, "{report:#?}");
    let why = report.steps[0].why();
    assert!(why.contains("a rewrite that frees the disk"), "{why}");
    assert_eq!(records(&world).await, []);
    assert_eq!(old_rows(&world, "spans").await.len(), 192 - 48);

    world.sql("SYSTEM START MERGES spans").await;
    world.wait_for(UNFINISHED, 0).await;
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(records(&world).await.len(), 4);
}

const UNFINISHED: &str =
    "system.mutations WHERE database = currentDatabase() AND table = 'spans' AND NOT is_done";
