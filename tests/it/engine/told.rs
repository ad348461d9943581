//! What a census tells is not counted again.

use ebbtide::{CycleStatus, Method};

use super::method::{finite, partitioned, steps};
use super::proven::settle;
use super::world::{NOW, World, plan, run};

pub(super) const CENSUS: &str = "%AS ebbtide_undatable%";
pub(super) const COUNT: &str = "%AS ebbtide_due%";
pub(super) const PROOF: &str = "%AS ebbtide_strays%";

/// Looks at a table that came to an end, or did not.
pub(super) async fn looks(world: &World, table: &str, what: &str, end: &str) -> u64 {
    world.sql("SYSTEM FLUSH LOGS query_log").await;
    let looks = format!(
        "system.query_log WHERE type = '{end}' AND current_database = currentDatabase() \
         AND query_kind = 'Select' AND query LIKE '{what}' AND query LIKE '%{table}%' \
         AND query NOT LIKE '%query_log%'"
    );
    world.count(&looks).await
}

pub(super) async fn finished(world: &World, what: &str) -> u64 {
    looks(world, "spans", what, "QueryFinish").await
}

#[tokio::test]
async fn where_all_have_one_cutoff_a_table_is_read_once_before_its_steps() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let made = plan(&world.engine()).await;
    let n_due: u64 = steps(&made).iter().map(|step| step.2).sum();
    assert_eq!(n_due, 552);
    assert_eq!(finished(&world, CENSUS).await, 1);
    assert_eq!(finished(&world, COUNT).await, 0);
}

#[tokio::test]
async fn only_whose_rows_lie_across_a_cutoff_is_counted() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    world.rule("w1", "40d").await;
    world.rule("w2", "20d").await;
    let made = plan(&world.engine()).await;
    let counted = "%AS ebbtide_due%''w1''%";
    assert_eq!(finished(&world, COUNT).await, 1);
    assert_eq!(finished(&world, counted).await, 1);
    assert_eq!(finished(&world, "%AS ebbtide_due%''w2''%").await, 0);
    // A census that tells nothing apart is followed by a count of everybody: the steps are the same.
    let engine = world.engine_with(
        &world.config_with("clickhouse: {", "clickhouse: {probe_groups: 1, "),
        NOW,
    );
    let again = plan(&engine).await;
    assert_eq!(steps(&again), steps(&made));
    assert_eq!(finished(&world, "%AS ebbtide_due%''w2''%").await, 1);
    let given_up = looks(&world, "spans", CENSUS, "ExceptionWhileProcessing").await;
    assert_eq!(given_up, 2, "by parts, and by partitions");
    // It is remembered for the day.
    plan(&engine).await;
    let given_up = looks(&world, "spans", CENSUS, "ExceptionWhileProcessing").await;
    assert_eq!(given_up, 2);
}

/// The key says nothing about the age; the census does.
#[tokio::test]
async fn partitions_of_which_the_census_saw_every_row_are_proven_by_it() {
    let mut world = partitioned("toYYYYMM(at) + n * 0", "").await;
    finite(&mut world);
    settle(&world).await;
    let engine = world.engine();
    let made = plan(&engine).await;
    let whole = |step: &&(Method, String, u64)| step.0 == Method::Partition;
    let steps = steps(&made);
    let whole: Vec<_> = steps.iter().filter(whole).collect();
    assert_eq!(whole.len(), 2, "{steps:?}");
    assert_eq!(finished(&world, PROOF).await, 0);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    // Once, when they are gone.
    assert_eq!(finished(&world, PROOF).await, 1);
}

/// Rows that a policy of somebody keeps are in a partition of which others' rows are all due.
#[tokio::test]
async fn a_partition_with_a_row_that_somebody_keeps_stays_whatever_the_census_saw() {
    let mut world = partitioned("toYYYYMM(at) + n * 0", "").await;
    finite(&mut world);
    // Nobody has rows under it yet: who moves there may.
    world.rule("nobody", "60d").await;
    let made = plan(&world.engine()).await;
    let of_spans = |step: &&ebbtide::Step| &*step.table == "spans";
    let partitions: Vec<String> = made
        .steps
        .iter()
        .filter(of_spans)
        .filter(|step| step.method == Method::Partition)
        .map(|step| step.partitions.join(" "))
        .collect();
    assert_eq!(
        partitions,
        ["202608"],
        "September ends less than 60 days ago"
    );
}

#[tokio::test]
async fn where_the_default_is_unlimited_only_rows_of_named_workspaces_are_read() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!(report.n_deleted(), 2 * 69);
    let of_table = looks(&world, "spans", CENSUS, "QueryFinish").await;
    assert_eq!(of_table, 1);
    assert_eq!(
        finished(&world, "%AS ebbtide_undatable%IN (''w1'')%").await,
        1
    );
}

/// Workspace by workspace a month can be counted, and not in one look, as its proof would be.
#[tokio::test]
async fn what_cannot_be_proven_in_one_look_is_masked_though_all_of_it_was_counted() {
    let mut world = World::with(", probe_rows: 200").await;
    finite(&mut world);
    for table in ["spans", "traces"] {
        for sql in [
            format!("RENAME TABLE {table} TO old_{table}"),
            format!(
                "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) ENGINE = MergeTree \
                 PARTITION BY toYYYYMM(at) + n * 0 ORDER BY (w, at) SETTINGS index_granularity = 8"
            ),
            format!(
                "INSERT INTO {table} SELECT * FROM old_{table} SETTINGS max_partitions_per_insert_block = 0"
            ),
            format!("DROP TABLE old_{table} SYNC"),
            format!(
                "INSERT INTO {table} SELECT concat('w', toString(number % 4)), 'p', \
                 toDateTime('2026-09-01', 'UTC') + toIntervalHour(number), number FROM numbers(400)"
            ),
            format!("OPTIMIZE TABLE {table} FINAL"),
        ] {
            world.sql(&sql).await;
        }
    }
    let engine = world.engine();
    let first = plan(&engine).await;
    let is_whole = |step: &&(Method, String, u64)| step.0 == Method::Partition;
    let found = steps(&first);
    let whole: Vec<_> = found.iter().filter(is_whole).collect();
    assert!(whole.iter().all(|(_, of, _)| of == "202608"), "{found:?}");
    let of_september = |step: &&(Method, String, u64)| step.1 != "202608" && step.2 >= 520;
    assert!(found.iter().any(|step| of_september(&step)), "{found:?}");
    for _ in 0..6 {
        let (_, report) = run(&engine).await.unwrap();
        assert_ne!(report.status, CycleStatus::Failed, "{report:#?}");
    }
    for table in ["spans", "traces"] {
        let left = format!("{table} WHERE at < '2026-10-22'");
        assert_eq!(world.count(&left).await, 0, "{table}");
        assert_eq!(world.count(table).await, 124, "{table}");
    }
}
