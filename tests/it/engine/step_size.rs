//! The size of steps on a real server: smaller after one that was too much, also within a cycle.

use ebbtide::{Config, CycleStatus, Embedded, Method, Plan, StepReport};

use super::method::partitioned;
use super::world::{NOW, World, plan, run};
use crate::support::{embedded_options, with_pace};

/// Every delete takes longer than a millisecond, so each of them is too much.
fn impatient(world: &World, rows_per_step: u64) -> Config {
    let plan = format!("plan: {{rows_per_step: {rows_per_step}}}\ntargets:");
    let yaml = world.yaml.replace("targets:", &plan);
    let yaml = with_pace(&yaml, "statement_target: 1ms, statements_per_minute: 6000");
    Config::parse(&yaml.replace("max_share_of_table: 0.9", "max_share_of_table: 1.0")).unwrap()
}

/// Fills a table: workspaces `w0` to `w3` with so many rows each, a second apart, long ago.
async fn fill(world: &World, table: &str, n_rows: u64) {
    world.sql(&fill_sql(table, n_rows)).await;
}

fn fill_sql(table: &str, n_rows: u64) -> String {
    format!(
        "INSERT INTO {table} SELECT concat('w', toString(number % 4)), 'p', \
         toDateTime('2026-01-01', 'UTC') + intDiv(number, 4), number FROM numbers({})",
        4 * n_rows
    )
}

async fn rules(world: &World) {
    for number in 0..4 {
        world.rule(&format!("w{number}"), "30d").await;
    }
}

fn of_spans(plan: &Plan) -> Vec<u64> {
    let steps = plan.steps.iter().filter(|step| &*step.table == "spans");
    steps.map(|step| step.n_due).collect()
}

#[tokio::test]
async fn a_step_that_took_too_long_makes_the_next_ones_smaller() {
    let world = World::new().await;
    rules(&world).await;
    fill(&world, "spans", 6_000).await;
    let config = impatient(&world, 20_000);
    let engine = world.engine_with(&config, NOW);
    let n_steps = async || of_spans(&plan(&engine).await).len();
    assert_eq!(n_steps().await, 2, "three workspaces, and one");
    run(&engine).await.unwrap();
    fill(&world, "spans", 6_000).await;
    assert_eq!(n_steps().await, 4, "one workspace each");
    // A process that starts now learns it from the record.
    let anew = plan(&world.engine_with(&config, NOW)).await;
    assert_eq!(of_spans(&anew).len(), 4);
}

#[tokio::test]
async fn a_cycle_whose_steps_became_too_large_is_planned_anew_with_smaller_ones() {
    let world = World::new().await;
    rules(&world).await;
    fill(&world, "spans", 36_000).await;
    // Rows of one instant are one step, however small steps are.
    world
        .sql(
            "INSERT INTO spans SELECT 'w3', 'p', toDateTime('2026-02-01', 'UTC'), number \
             FROM numbers(15000)",
        )
        .await;
    let engine = world.engine_with(&impatient(&world, 80_000), NOW);
    let (mut sizes, mut ends) = (Vec::new(), Vec::new());
    while ends.last() != Some(&CycleStatus::Done) {
        let (planned, report) = run(&engine).await.unwrap();
        assert!(
            report.steps.iter().all(StepReport::is_verified),
            "{report:#?}"
        );
        let is_deferred = report.n_deleted() < planned.n_due();
        let expected = if is_deferred {
            CycleStatus::Deferred
        } else {
            CycleStatus::Done
        };
        assert_eq!(report.status, expected);
        let of_traces = report.steps.iter().any(|step| &*step.table == "traces");
        assert_eq!(of_traces, !is_deferred, "parents go after all children");
        sizes.push(report.steps.iter().map(|step| step.n_due).max().unwrap());
        ends.push(report.status);
        assert!(ends.len() < 10, "{ends:?} {sizes:?}");
    }
    // 80,000, then 20,000, then the smallest size there is: no step makes that smaller.
    assert_eq!(ends.len(), 3, "{ends:?} {sizes:?}");
    assert!(sizes[0] > 40_000 && sizes[1] <= 20_000, "{sizes:?}");
    assert_eq!(sizes[2], 15_000, "{sizes:?}");
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 0);
}

#[tokio::test]
async fn a_drop_of_partitions_says_nothing_of_the_size_of_steps() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    super::method::finite(&mut world);
    fill(&world, "spans", 100).await;
    let of_october = fill_sql("spans", 4_000).replace("2026-01-01", "2026-10-02");
    world.sql(&of_october).await;
    let engine = world.engine_with(&impatient(&world, 20_000), NOW);
    let planned = plan(&engine).await;
    let methods: Vec<_> = planned.steps.iter().map(|step| step.method).collect();
    let rest = Method::Lightweight;
    assert_eq!(
        (&methods[..2], of_spans(&planned)[1] > 10_000),
        (&[Method::Partition, rest][..], true),
        "a drop, and more rows than half a step"
    );
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    let anew = world.engine_with(&impatient(&world, 20_000), NOW);
    world.sql(&of_october).await;
    for engine in [engine, anew] {
        let sizes = of_spans(&plan(&engine).await);
        assert!(
            sizes.len() > 1 && sizes.iter().all(|size| *size <= 10_000),
            "{sizes:?}"
        );
    }
}

#[tokio::test]
async fn steps_that_became_too_large_for_one_shard_hold_no_other_one_up() {
    let mut world = World::new().await;
    rules(&world).await;
    let other = Embedded::start(embedded_options()).unwrap();
    let client = clickhouse::Client::default().with_url(other.url());
    let name = world.database.name().to_owned();
    let create = format!("CREATE DATABASE {name}");
    client.query(&create).execute().await.unwrap();
    let client = client.with_database(&name);
    for table in ["spans", "traces"] {
        let create = format!(
            "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
             ENGINE = MergeTree ORDER BY (w, p, at)"
        );
        client.query(&create).execute().await.unwrap();
    }
    let more = fill_sql("spans", 6_000);
    client.query(&more).execute().await.unwrap();
    fill(&world, "spans", 18_000).await;
    let more = format!("}}, {{url: \"{}\"}}]", other.url());
    world.yaml = world.yaml.replacen("}]", &more, 1);
    let engine = world.engine_with(&impatient(&world, 40_000), NOW);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Deferred);
    let of_other = |step: &&StepReport| other.url().contains(&*step.shard);
    let sent = report.steps.iter().filter(of_other).count();
    assert_eq!((sent, report.steps.len()), (1, 2), "{report:#?}");
}
