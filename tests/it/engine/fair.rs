//! The time of a cycle is one for all shards, and each of them has a share of it.

use std::time::Duration;

use ebbtide::{Config, CycleStatus, Embedded, PauseScope};

use super::world::{NOW, World, run};
use crate::support::embedded_options;

/// Expired rows of the second shard in each table, up to two weeks overdue.
const N_OF_SECOND: u64 = 15;

async fn fill_second(server: &Embedded, database: &str) -> clickhouse::Client {
    let client = clickhouse::Client::default().with_url(server.url());
    let create = format!("CREATE DATABASE {database}");
    client.query_raw(&create).execute().await.unwrap();
    let client = client.with_database(database);
    for table in ["spans", "traces"] {
        let create = format!(
            "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
             ENGINE = MergeTree ORDER BY (w, p, at)"
        );
        let fill = format!(
            "INSERT INTO {table} SELECT 'w1', 'p', toDateTime('2026-11-21 10:00:00', 'UTC') \
             - toIntervalDay(if(number < {N_OF_SECOND}, 96 + number, 1)), number FROM numbers(50)"
        );
        for sql in [create, fill] {
            client.query_raw(&sql).execute().await.unwrap();
        }
    }
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_shard_waits_for_what_another_one_has_to_do() {
    let world = World::new().await;
    let second = Embedded::start(embedded_options()).unwrap();
    let of_second = fill_second(&second, world.database.name()).await;
    let one = format!("[{{url: \"{}\"}}]", world.database.url());
    let two = format!(
        "[{{url: \"{}\"}}, {{url: \"{}\"}}]",
        world.database.url(),
        second.url()
    );
    assert!(world.yaml.contains(&one));
    let mut config = Config::parse(&world.yaml.replace(&one, &two)).unwrap();
    // Each turn is over with its first statement.
    config.limits.budget.time = Duration::ZERO;
    config.limits.rows_per_step = 1;
    // What is most overdue of all is on the first shard, and cannot go.
    world.rule("w0", "30d").await;
    world.pause(PauseScope::Workspace("w0".into())).await;
    world.rule("w1", "95d").await;
    let engine = world.engine_with(&config, NOW);
    for n_cycles in 1..=3 {
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
        let shards: Vec<&str> = report.steps.iter().map(|step| &*step.shard).collect();
        let expected = [second.url(), world.database.url().to_owned()];
        assert_eq!(shards, expected, "the most overdue first, and both");
        assert_eq!(world.count("spans").await, 400 - n_cycles);
        let left = of_second.query("SELECT count() FROM spans");
        let left: u64 = left.fetch_one().await.unwrap();
        assert_eq!(left, 50 - n_cycles);
    }
}
