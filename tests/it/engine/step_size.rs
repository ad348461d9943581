//! The size of steps on a real server: smaller after one that was too much, also within a cycle.

use ebbtide::{Config, CycleStatus, Embedded, Method, Plan, StepReport};

use super::method::partitioned;
use super::world::{NOW, World, apply_reviewed, plan, propose, run};
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
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert!(
        report.steps.iter().all(StepReport::is_verified),
        "{report:#?}"
    );
    let mut cycles = world.ledger.cycles(100).await.unwrap();
    cycles.reverse();
    let ends: Vec<String> = cycles
        .into_iter()
        .map(|cycle| cycle.end.unwrap().1)
        .collect();
    let (last, before) = ends.split_last().unwrap();
    assert_eq!(last, "done", "{ends:?}");
    assert!(!before.is_empty(), "it is planned anew");
    assert!(before.iter().all(|end| end == "deferred"), "{ends:?}");
    let tables: Vec<&str> = report.steps.iter().map(|step| &*step.table).collect();
    assert!(
        tables.is_sorted(),
        "parents go after all children: {tables:?}"
    );
    assert_eq!(tables.last(), Some(&"traces"));
    let sizes: Vec<u64> = report.steps.iter().map(|step| step.n_due).collect();
    assert!(sizes[0] > 40_000, "{sizes:?}");
    assert!(sizes[1..].iter().all(|size| *size <= 40_000), "{sizes:?}");
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_something_sent_is_not_verified_nothing_is_planned_anew() {
    let world = World::new().await;
    rules(&world).await;
    fill(&world, "spans", 36_000).await;
    // The mutation is registered and cannot run; what is inserted now is none of its business.
    world.sql("SYSTEM STOP MERGES spans").await;
    let engine = world.engine_with(&impatient(&world, 80_000), NOW);
    let cycle = tokio::spawn(async move { run(&engine).await });
    world.wait_for_mutations(1).await;
    for workspace in ["w0", "w1", "w2", "w3"] {
        let late = format!("INSERT INTO spans VALUES ('{workspace}', 'p', '2026-01-01', 7)");
        world.sql(&late).await;
    }
    world.sql("SYSTEM START MERGES spans").await;
    let (_, report) = cycle.await.unwrap().unwrap();
    assert!(report.is_shrunk, "{report:#?}");
    assert_eq!(
        (report.status, report.n_statements()),
        (CycleStatus::Failed, 1)
    );
    assert_eq!(world.ledger.cycles(9).await.unwrap().len(), 1);
}

/// Its budget is one for all plans, and what it leaves is left by the last one.
#[tokio::test]
async fn smaller_steps_have_what_is_left_of_the_budget() {
    let world = World::new().await;
    rules(&world).await;
    fill(&world, "spans", 36_000).await;
    let mut config = impatient(&world, 80_000);
    // As many as there are until the first one was too much.
    config.limits.budget.statements = 3;
    let engine = world.engine_with(&config, NOW);
    assert_eq!(plan(&engine).await.steps.len(), 3);
    let (last, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
    let n_statements = report.n_statements();
    assert!((2..=3).contains(&n_statements), "{report:#?}");
    let n_cycles = world.ledger.cycles(100).await.unwrap().len();
    assert!((2..=3).contains(&n_cycles), "{n_cycles}");
    let n_left = last.n_due() + last.n_deferred() - (report.n_deleted() - report.n_before);
    // Thirty-one days of four workspaces stay.
    let n_old = world.count("spans").await + world.count("traces").await - 2 * 4 * 31;
    assert_eq!(n_left, n_old);
}

/// Nobody would plan it anew, so what is left out of it would be left.
#[tokio::test]
async fn a_plan_that_was_reviewed_is_applied_as_it_is_however_slow_its_steps_are() {
    let world = World::new().await;
    rules(&world).await;
    fill(&world, "spans", 36_000).await;
    let engine = world.engine_with(&impatient(&world, 80_000), NOW);
    let planned = propose(&engine).await;
    let sizes = of_spans(&planned);
    assert!(sizes.len() > 1 && sizes[1] > 40_000, "{sizes:?}");
    let report = apply_reviewed(&engine, &planned).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_statements(), planned.steps.len());
    // The next ones are smaller all the same.
    fill(&world, "spans", 36_000).await;
    let sizes = of_spans(&plan(&engine).await);
    assert!(sizes.len() > 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 40_000), "{sizes:?}");
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
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let of_other = |step: &StepReport| other.url().contains(&*step.shard);
    let of_plan: Vec<bool> = report.steps.iter().map(of_other).collect();
    assert!(of_plan.len() > 2, "{report:#?}");
    // Of the first plan, whichever shard came first: it does not wait for the second one.
    let at: Vec<usize> = (0..of_plan.len()).filter(|at| of_plan[*at]).collect();
    assert!(at == [0] || at == [1], "{report:#?}");
}
