//! What a plan saw in parts is not read again before they are dropped, while they and their table are the
//! same; whatever changes is counted.

use ebbtide::{CycleStatus, Engine, Method, StepOutcomeKind};

use super::method::{finite, partitioned, steps};
use super::told::{CENSUS, COUNT, PROOF, finished, looks};
use super::whole::changed_before;
use super::world::{NOW, World, now_as_sql, plan, run};
use crate::support::block_on;

/// Waits until the tables were defined, and their parts written, long enough ago to be told from what they
/// become.
pub(super) async fn settle(world: &World) {
    for (of, at) in [
        ("tables", "metadata_modification_time"),
        ("parts", "modification_time"),
    ] {
        let young = format!("system.{of} WHERE database = currentDatabase() AND {at} >= now() - 1");
        world.wait_for(&young, 0).await;
    }
}

/// Spans of two days, the older one expired, and a table like it in which nothing is; neither key knows
/// their age.
async fn two_days() -> World {
    let mut world = World::new().await;
    finite(&mut world);
    for (table, age) in [("spans", 40), ("young", 1)] {
        world
            .sql(&format!("DROP TABLE IF EXISTS {table} SYNC"))
            .await;
        let create = format!(
            "CREATE TABLE {table} (w String, p String, earlier DateTime('UTC'), later DateTime('UTC'), \
             n UInt64) ENGINE = MergeTree PARTITION BY n ORDER BY w \
             SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1"
        );
        world.sql(&create).await;
        let now = now_as_sql();
        let fill = format!(
            "INSERT INTO {table} SELECT concat('w', toString(number % 4)), 'p', \
             toDateTime('{now}', 'UTC') - toIntervalDay({age} * (number < 100)), \
             '{now}', number >= 100 FROM numbers(200)"
        );
        world.sql(&fill).await;
        let add = format!("ALTER TABLE {table} ADD COLUMN at DateTime('UTC') DEFAULT earlier");
        world.sql(&add).await;
    }
    world
}

/// Runs a cycle; returns how often whole partitions of the spans were counted in it.
async fn n_proofs(world: &World, engine: &Engine) -> u64 {
    let before = finished(world, PROOF).await;
    let (made, report) = run(engine).await.unwrap();
    assert_eq!(steps(&made)[0].0, Method::Partition, "{made:#?}");
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    finished(world, PROOF).await - before
}

#[tokio::test]
async fn what_the_plan_saw_of_parts_is_not_counted_again_before_they_go() {
    // By its key a partition is proven for the plan; by the census it is told. The rest is looked at once,
    // when they are gone.
    for (key, n_expected) in [("toYYYYMM(at)", 2), ("toYYYYMM(at) + n * 0", 1)] {
        let mut world = partitioned(key, "").await;
        finite(&mut world);
        settle(&world).await;
        assert_eq!(n_proofs(&world, &world.engine()).await, n_expected, "{key}");
        assert_eq!(world.count("spans").await, 4 * 31);
        assert_eq!(world.count("traces").await, 4 * 31);
    }
}

/// A dictionary may be another one at any moment, and nothing of the table tells.
#[tokio::test]
async fn what_is_made_of_a_dictionary_is_counted_again() {
    let world = two_days().await;
    settle(&world).await;
    assert_eq!(n_proofs(&world, &world.engine()).await, 1);
    let world = two_days().await;
    for sql in [
        "CREATE DICTIONARY times (n UInt64, at DateTime('UTC')) PRIMARY KEY n SOURCE(NULL()) \
         LAYOUT(FLAT()) LIFETIME(0)",
        "ALTER TABLE spans ADD COLUMN there DateTime('UTC') ALIAS dictGet('times', 'at', n)",
    ] {
        world.sql(sql).await;
    }
    settle(&world).await;
    assert_eq!(n_proofs(&world, &world.engine()).await, 2);
    assert_eq!(world.count("spans").await, 100);
}

/// Where there are too many parts for a census, it tells partitions, and each is counted before it goes.
#[tokio::test]
async fn where_partitions_are_told_and_no_parts_they_are_counted_again() {
    let unmerged = "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1";
    let mut world = partitioned("toYYYYMM(at) + n * 0", unmerged).await;
    finite(&mut world);
    for _ in 0..8 {
        let more = "INSERT INTO spans SELECT * FROM spans WHERE at < '2026-09-01' LIMIT 1 BY w";
        world.sql(more).await;
    }
    settle(&world).await;
    // Four workspaces in four months, and eight parts more in the first. Each thread has groups of its own.
    let few = "clickhouse: {probe_threads: 1, probe_groups: 30, ";
    let engine = world.engine_with(&world.config_with("clickhouse: {", few), NOW);
    plan(&engine).await;
    let given_up = looks(&world, "spans", CENSUS, "ExceptionWhileProcessing").await;
    assert_eq!((given_up, finished(&world, COUNT).await), (1, 0));
    assert_eq!(n_proofs(&world, &engine).await, 2);
    assert_eq!(world.count("spans").await, 4 * 31);
}

/// What was known before belongs to the engine that saw it.
#[tokio::test]
async fn a_plan_of_another_engine_is_counted_again() {
    let world = two_days().await;
    settle(&world).await;
    let made = plan(&world.engine()).await;
    let before = finished(&world, PROOF).await;
    // Before, and when they are gone.
    let report = super::world::apply(&world.engine(), &made).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(finished(&world, PROOF).await - before, 2);
    assert_eq!(world.count("spans").await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_same_any_more_is_counted_again_and_stays() {
    let changes: [&[&str]; 5] = [
        // Another table of this name, with parts of the same names and as many rows.
        &["EXCHANGE TABLES spans AND young"],
        // Other values in a column of the same parts, which do not store it: a moment ago, or longer ago.
        &["ALTER TABLE spans MODIFY COLUMN at DateTime('UTC') DEFAULT later"],
        &[
            "ALTER TABLE spans MODIFY COLUMN at DateTime('UTC') DEFAULT later",
            "SELECT sleep(2.5) FORMAT Null",
        ],
        // The same part, with a patch beside it.
        &[
            "SYSTEM STOP MERGES spans",
            "UPDATE spans SET at = '2026-11-20 00:00:00' WHERE w = 'w1'",
        ],
        // A part more.
        &["INSERT INTO spans (w, at, n) VALUES ('w1', '2026-11-20 00:00:00', 0)"],
    ];
    for change in changes {
        let world = two_days().await;
        settle(&world).await;
        let client = world.database.client();
        let client = client.with_setting("enable_lightweight_update", "1");
        let engine = changed_before(1, &world, move || {
            for sql in change {
                block_on(client.query_raw(sql).execute()).unwrap();
            }
        });
        let (made, report) = run(&engine).await.unwrap();
        let whole = (Method::Partition, "0".to_owned(), 100);
        assert_eq!(steps(&made)[0], whole, "{change:?}");
        let StepOutcomeKind::Skipped { reason } = &report.steps[0].outcome else {
            panic!("{change:?}: {report:#?}");
        };
        assert!(reason.contains("partition 0 holds"), "{change:?}: {reason}");
        let n_rows = world.count("spans WHERE n = 0").await;
        assert!(n_rows >= 100, "{change:?}: {n_rows}");
    }
}
