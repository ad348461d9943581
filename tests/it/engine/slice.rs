//! More is due than one look may count: it is begun from its oldest end, and several cycles finish it.

use ebbtide::{Config, CycleStatus, Engine, EngineError, PauseScope, Refusal, Scope};

use super::world::{NOW, World, at, now_as_sql, plan, run};

/// Days before [`NOW`] of which a large workspace has rows, and how many of each.
const N_DAYS: u64 = 100;
const N_A_DAY: u64 = 1_000;
/// A rule of 30 days makes so many rows of it due: the day of the cutoff has some of them.
const CUTOFF: &str = "2026-10-22 00:00:00";

/// A world in which a look may read a fifth of each table: `w1` is large, `w0` and `w2` are not.
async fn large(key: &str) -> World {
    let world = World::with(", probe_rows: 20000").await;
    for table in ["spans", "traces"] {
        world.sql(&format!("DROP TABLE {table}")).await;
        world
            .sql(&format!(
                "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree ORDER BY ({key}) SETTINGS index_granularity = 256"
            ))
            .await;
        for (workspace, n_a_day) in [("w0", 10), ("w1", N_A_DAY), ("w2", 5)] {
            fill(&world, table, workspace, "p", (0, N_DAYS), n_a_day).await;
        }
    }
    world
}

/// Adds rows of some days before [`NOW`].
async fn fill(
    world: &World,
    table: &str,
    workspace: &str,
    project: &str,
    (from_day, to_day): (u64, u64),
    n_a_day: u64,
) {
    let now = now_as_sql();
    let n_rows = (to_day - from_day) * n_a_day;
    world
        .sql(&format!(
            "INSERT INTO {table} SELECT '{workspace}', '{project}', toDateTime('{now}', 'UTC') \
             - toIntervalDay({from_day} + intDiv(number, {n_a_day})) \
             - toIntervalSecond(number % {n_a_day}), number FROM numbers({n_rows})"
        ))
        .await;
}

fn config(world: &World) -> Config {
    world.paced("statements_per_minute: 6000")
}

fn due(table: &str, workspace: &str) -> String {
    format!("{table} WHERE w = '{workspace}' AND at < '{CUTOFF}'")
}

/// Seconds from the oldest of some rows to the cutoff.
async fn lag_s(world: &World, rows: &str) -> u64 {
    let lag = format!(
        "SELECT toUInt64(dateDiff('second', min(at), toDateTime('{CUTOFF}', 'UTC'))) FROM {rows}"
    );
    let client = world.database.client();
    client.query(&lag).fetch_one::<u64>().await.unwrap()
}

/// Runs cycles until one has nothing left; what must hold after each of them does.
async fn until_done(world: &World, engine: &Engine) -> Vec<CycleStatus> {
    let mut ends = Vec::new();
    while ends.last() != Some(&CycleStatus::Done) {
        let before = world.count("spans").await + world.count("traces").await;
        let (planned, report) = run(engine).await.unwrap();
        assert_eq!(planned.unprobed, []);
        assert_eq!(report.n_deleted(), planned.n_due(), "{report:#?}");
        let is_deferred = report.status == CycleStatus::Deferred;
        assert_eq!(is_deferred, planned.is_uncounted(), "{report:#?}");
        assert!(report.steps.iter().all(ebbtide::StepReport::is_verified));
        // Each cycle does something, or nothing is left.
        assert_eq!(
            report.n_deleted() > 0,
            is_deferred || before > 0,
            "{ends:?}"
        );
        let after = world.count("spans").await + world.count("traces").await;
        assert_eq!(before - after, report.n_deleted());
        let orphans = "spans WHERE (w, at) NOT IN (SELECT w, at FROM traces)";
        assert_eq!(world.count(orphans).await, 0);
        ends.push(report.status);
        assert!(ends.len() < 40, "{ends:?}");
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_for_a_look_goes_oldest_first_in_several_cycles_children_first() {
    // Workspaces first, and time first: what reads less is another thing.
    for key in ["w, at", "at, w"] {
        let world = large(key).await;
        for workspace in ["w1", "w2"] {
            world.rule(workspace, "30d").await;
        }
        let engine = world.engine_with(&config(&world), NOW);
        let first = plan(&engine).await;
        assert!(first.is_uncounted());
        let n_due = world.count(&due("spans", "w1")).await + world.count(&due("spans", "w2")).await;
        let spans = first.deferred.iter().find(|of| *of.table == *"spans");
        let n_counted: u64 = first.tables[0].n_due;
        let n_at_most = spans.unwrap().n_uncounted.unwrap();
        assert!(n_counted > 0 && n_counted < n_due, "{n_counted} of {n_due}");
        assert!(n_counted + n_at_most >= n_due, "never less than there is");
        let lag = lag_s(&world, &due("spans", "w1")).await;
        assert_eq!(u64::from(first.tables[0].lag_s), lag, "that of the oldest");
        let ends = until_done(&world, &engine).await;
        assert!((3..=25).contains(&ends.len()), "{key}: {ends:?}");
        for table in ["spans", "traces"] {
            for workspace in ["w1", "w2"] {
                assert_eq!(world.count(&due(table, workspace)).await, 0, "{key}");
            }
            let young = N_DAYS * N_A_DAY + N_DAYS * 5 - n_due;
            let rows = format!("{table} WHERE w != 'w0'");
            assert_eq!(world.count(&rows).await, young, "{key}");
            let others = format!("{table} WHERE w = 'w0'");
            assert_eq!(world.count(&others).await, N_DAYS * 10, "{key}");
        }
        let (again, report) = run(&engine).await.unwrap();
        assert!(again.steps.is_empty() && report.status == CycleStatus::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_children_were_not_counted_their_parents_stay() {
    let world = large("w, at").await;
    world.rule("w1", "30d").await;
    // A look at the parents alone would count all of them.
    world
        .sql("ALTER TABLE traces DELETE WHERE n % 8 > 0 SETTINGS mutations_sync = 2")
        .await;
    let engine = world.engine_with(&config(&world), NOW);
    let (planned, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
    let ends: Vec<i64> = planned
        .steps
        .iter()
        .map(|step| step.arms[0].bounds.below_ms)
        .collect();
    assert_eq!(planned.steps[0].table, "spans".into());
    assert_eq!(planned.steps.last().unwrap().table, "traces".into());
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    let youngest = at("2026-10-22T00:00:00Z").as_millisecond();
    assert!(ends[0] < youngest);
    let traces = planned.deferred.iter().find(|of| *of.table == *"traces");
    assert!(
        traces.unwrap().n_uncounted > Some(0),
        "{:?}",
        planned.deferred
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_rows_that_stay_do_not_hide_what_is_due_behind_them() {
    let world = large("w, at").await;
    for table in ["spans", "traces"] {
        fill(&world, table, "w1", "kept", (100, 140), N_A_DAY).await;
    }
    world.rule("w1", "30d").await;
    world.project_rule("w1", "kept", "unlimited").await;
    let ends = until_done(&world, &world.engine_with(&config(&world), NOW)).await;
    assert!(ends.len() > 2, "{ends:?}");
    for table in ["spans", "traces"] {
        let kept = format!("{table} WHERE p = 'kept'");
        assert_eq!(world.count(&kept).await, 40 * N_A_DAY);
        let left = format!("{} AND p = 'p'", due(table, "w1"));
        assert_eq!(world.count(&left).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_refused_although_nobody_could_count_it() {
    let world = large("w, at").await;
    world.rule("w1", "30d").await;
    let mut config = config(&world);
    config.limits.max_share_of_table = 0.5;
    let error = run(&world.engine_with(&config, NOW)).await.unwrap_err();
    let EngineError::Refused { refusals } = &error else {
        panic!("{error}")
    };
    assert!(matches!(refusals[0], Refusal::Share { .. }), "{error}");
    assert_eq!(world.count("spans").await, N_DAYS * (N_A_DAY + 15));
}

/// Nearly all rows are older than some cutoff, and few of them than their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_rule_of_others_makes_no_more_of_what_nobody_could_count() {
    for key in ["w, at", "at, w"] {
        let world = large(key).await;
        world.rule("w1", "75d").await;
        world.rule("w2", "1d").await;
        let mut config = config(&world);
        config.limits.max_share_of_table = 0.5;
        let engine = world.engine_with(&config, NOW);
        let ends = until_done(&world, &engine).await;
        assert!(ends.len() > 1, "{key}: {ends:?}");
        for table in ["spans", "traces"] {
            for (workspace, cutoff, n_left) in [
                ("w1", "2026-09-07 00:00:00", 76 * N_A_DAY),
                ("w2", "2026-11-20 00:00:00", 2 * 5),
            ] {
                let rows = format!("{table} WHERE w = '{workspace}'");
                assert_eq!(world.count(&rows).await, n_left, "{key}: {rows}");
                let due = format!("{rows} AND at < '{cutoff}'");
                assert_eq!(world.count(&due).await, 0, "{key}: {due}");
            }
        }
    }
}

/// The configuration where rows of a table are kept by so many items of `w1` that no look at any row of
/// it is within its limits.
async fn uncountable(world: &World, table: &str) -> Config {
    world
        .sql("CREATE TABLE items (w String, t DateTime('UTC')) ENGINE = MergeTree ORDER BY w")
        .await;
    world
        .sql("INSERT INTO items SELECT 'w1', toDateTime(0, 'UTC') + number FROM numbers(30000)")
        .await;
    let keep = "keep: [{column: at, in_table: items, in_column: t, in_workspace: w}]";
    let before = format!("{{table: {table}, workspace: w, project: p, age: {{time: at}}}}");
    let after = format!("{{table: {table}, workspace: w, project: p, age: {{time: at}}, {keep}}}");
    world.config_with(&before, &after)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_and_cannot_be_counted_stops_nobody() {
    let world = large("w, at").await;
    for workspace in ["w1", "w2"] {
        world.rule(workspace, "30d").await;
    }
    world.hold(Scope::Workspace("w1".into()), None).await;
    let config = uncountable(&world, "traces").await;
    let (planned, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(planned.unprobed, []);
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    for table in ["spans", "traces"] {
        assert_eq!(world.count(&due(table, "w2")).await, 0);
        let held = format!("{table} WHERE w = 'w1'");
        assert_eq!(world.count(&held).await, N_DAYS * N_A_DAY);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_paused_children_cannot_be_counted_their_parents_wait() {
    let world = large("w, at").await;
    for workspace in ["w1", "w2"] {
        world.rule(workspace, "30d").await;
    }
    let late = "INSERT INTO traces VALUES ('w3', 'p', '2026-09-10 00:00:00', 1)";
    world.sql(late).await;
    world.rule("w3", "30d").await;
    world.pause(PauseScope::Target("spans".into())).await;
    let config = uncountable(&world, "spans").await;
    let (planned, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(planned.unprobed, []);
    assert_eq!(report.n_deleted(), 1, "{report:#?}");
    assert_eq!(world.count("traces WHERE w = 'w3'").await, 0);
    for (workspace, n_a_day) in [("w1", N_A_DAY), ("w2", 5)] {
        let parents = format!("traces WHERE w = '{workspace}'");
        assert_eq!(world.count(&parents).await, N_DAYS * n_a_day);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_of_which_not_even_the_oldest_rows_can_be_counted_is_left_alone_and_says_why() {
    let world = large("w, at").await;
    for workspace in ["w1", "w2"] {
        world.rule(workspace, "30d").await;
    }
    let config = uncountable(&world, "traces").await;
    let engine = world.engine_with(&config, NOW);
    let planned = plan(&engine).await;
    let left: Vec<_> = planned
        .unprobed
        .iter()
        .filter(|of| *of.table.as_deref().unwrap() == *"traces")
        .collect();
    assert!(
        !left.is_empty()
            && left
                .iter()
                .all(|of| of.reason.contains("clickhouse.probe_rows")),
        "{left:#?}"
    );
    assert!(
        planned
            .steps
            .iter()
            .all(|step| *step.table == *"spans"
                || step.arms.iter().all(|arm| *arm.workspace == *"w2"))
    );
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    assert_eq!(world.count("traces WHERE w = 'w1'").await, N_DAYS * N_A_DAY);
}

/// Whoever cannot be counted in a child keeps the parents; others go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_children_cannot_be_counted_at_all_their_parents_stay() {
    let world = large("w, at").await;
    for workspace in ["w1", "w2"] {
        world.rule(workspace, "30d").await;
    }
    let config = uncountable(&world, "spans").await;
    let (planned, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let unknown: Vec<_> = planned.unprobed.iter().collect();
    assert!(
        unknown
            .iter()
            .any(|of| of.workspace == Some("w1".into()) && of.table == Some("spans".into())),
        "{unknown:#?}"
    );
    for table in ["spans", "traces"] {
        assert_eq!(world.count(&due(table, "w2")).await, 0, "{table}");
        let of_w1 = format!("{table} WHERE w = 'w1'");
        assert_eq!(world.count(&of_w1).await, N_DAYS * N_A_DAY, "{table}");
    }
}

/// Where the key begins with the workspace a small one need not wait for a large one; where it begins
/// with the time, half of the workspaces read as much as all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspaces_are_counted_apart_only_where_that_reads_less() {
    for (key, is_apart) in [("w, at", true), ("at, w", false)] {
        let world = large(key).await;
        for table in ["spans", "traces"] {
            let young = format!(
                "ALTER TABLE {table} DELETE WHERE w = 'w2' AND at < '2026-10-10' SETTINGS mutations_sync = 2"
            );
            world.sql(&young).await;
        }
        for workspace in ["w1", "w2"] {
            world.rule(workspace, "30d").await;
        }
        let planned = plan(&world.engine_with(&config(&world), NOW)).await;
        assert!(planned.is_uncounted(), "{key}");
        let spans = planned.steps.iter().filter(|step| &*step.table == "spans");
        let of_w2: u64 = spans
            .flat_map(|step| &step.arms)
            .filter(|arm| *arm.workspace == *"w2")
            .map(|arm| arm.n_due)
            .sum();
        let n_due = world.count(&due("spans", "w2")).await;
        assert!(n_due > 0);
        assert_eq!(of_w2, if is_apart { n_due } else { 0 }, "{key}");
    }
}

/// Nothing is due as far as it could be counted: that is unknown, and not nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_of_several_could_be_counted_their_table_is_unknown() {
    let world = large("at, w").await;
    for workspace in ["w1", "w2"] {
        world.rule(workspace, "30d").await;
    }
    let config = uncountable(&world, "traces").await;
    // Whoever asks for one of them reads the items of all.
    for sql in [
        "CREATE TABLE all_items (w String, t DateTime('UTC')) ENGINE = MergeTree ORDER BY tuple()",
        "INSERT INTO all_items SELECT * FROM items",
        "EXCHANGE TABLES items AND all_items",
    ] {
        world.sql(sql).await;
    }
    let planned = plan(&world.engine_with(&config, NOW)).await;
    let unprobed = planned.unprobed.iter();
    let found: Vec<_> = unprobed
        .map(|of| (of.table.as_deref(), of.workspace.as_deref()))
        .collect();
    assert_eq!(found, [(Some("traces"), None)], "{:#?}", planned.unprobed);
    let reason = &planned.unprobed[0].reason;
    assert!(reason.contains("clickhouse.probe_rows"), "{reason}");
    let is_of_spans = |step: &ebbtide::Step| &*step.table == "spans";
    assert!(!planned.steps.is_empty() && planned.steps.iter().all(is_of_spans));
}

/// What was counted apart goes in one statement, and what it left is counted apart again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_apart_is_proven_apart() {
    let world = large("w, at").await;
    let names = ["a1", "a2", "a3"];
    for workspace in names {
        fill(&world, "spans", workspace, "p", (50, 65), N_A_DAY).await;
        world.rule(workspace, "30d").await;
    }
    let (planned, report) = run(&world.engine_with(&config(&world), NOW)).await.unwrap();
    let n_arms: Vec<usize> = planned.steps.iter().map(|step| step.arms.len()).collect();
    assert_eq!(n_arms, [3], "{planned:#?}");
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 3 * 15 * N_A_DAY);
}
