//! What looks at a table taught goes on: the next plan of the day begins with what worked, and does not
//! try again what cannot be counted.

use clickhouse::Client;
use ebbtide::{CycleStatus, Engine, Plan, PlanRequest, Scope};

use super::heavy::Heavy;
use super::world::{NOW, World, at, now_as_sql, plan, run};
use crate::support::block_on;

/// Days before [`NOW`] of which a workspace has rows, and how many of each.
const N_DAYS: u64 = 94;
const N_A_DAY: u64 = 16;

/// A table in which each insert is a part of its own: what is beside a heavy row can be read without it.
async fn in_parts() -> Heavy {
    let world = Heavy::empty().await;
    world
        .sql(
            "CREATE TABLE spans (w String, p String, at DateTime('UTC')) ENGINE = MergeTree \
             ORDER BY (w, at) SETTINGS index_granularity = 8",
        )
        .await;
    world.sql("SYSTEM STOP MERGES spans").await;
    world
}

impl Heavy {
    /// Adds a workspace whose rows can only be told apart by their project: that is read.
    async fn workspace(&self, name: &str, rows: &str) {
        self.sql(&format!("INSERT INTO spans {rows}")).await;
        self.project_rule(name, "x", "unlimited").await;
    }

    /// Adds a workspace with rows that are easily read.
    async fn light(&self, name: &str) {
        let now = now_as_sql();
        let rows = format!(
            "SELECT '{name}', 'p', toDateTime('{now}', 'UTC') - toIntervalDay(intDiv(number, {N_A_DAY})) \
             - toIntervalSecond(number % {N_A_DAY}) FROM numbers({})",
            N_DAYS * N_A_DAY
        );
        self.workspace(name, &rows).await;
    }

    /// Adds a workspace with a row that cannot be read, or adds that row to it.
    async fn heavy(&self, name: &str, day: &str) {
        let row = format!("SELECT '{name}', repeat(repeat('x', 1000), 96000), '{day} 12:00:00'");
        self.workspace(name, &row).await;
    }
}

/// Makes a plan; returns it with the number of its counts that failed.
async fn counted(engine: &Engine, client: &Client) -> (Plan, u64) {
    let before = n_failed(client);
    let made = engine.plan(&PlanRequest::default()).await.unwrap();
    (made, n_failed(client) - before)
}

/// How many counts of what is due went beyond their limits.
fn n_failed(client: &Client) -> u64 {
    block_on(client.query_raw("SYSTEM FLUSH LOGS query_log").execute()).unwrap();
    let count = "SELECT count() FROM system.query_log WHERE exception_code IN (158, 241) \
                 AND type IN ('ExceptionBeforeStart', 'ExceptionWhileProcessing') \
                 AND current_database = currentDatabase() AND query LIKE 'SELECT%ebbtide_due%'";
    block_on(client.query_raw(count).fetch_one()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_plan_begins_with_the_time_that_could_be_counted() {
    let world = in_parts().await;
    world.light("w1").await;
    // Ten days after the oldest row.
    world.heavy("w1", "2026-08-30").await;
    let engine = world.engine();
    let (first, n_first) = counted(&engine, &world.client).await;
    assert!(n_first >= 2, "{n_first}");
    assert!(first.n_due() > 0 && first.is_uncounted(), "{first:#?}");
    let (second, n_second) = counted(&engine, &world.client).await;
    assert_eq!((second.n_due(), n_second), (first.n_due(), 0));
    // What works is tried with more, or it would stay as slow all day.
    let (third, n_third) = counted(&engine, &world.client).await;
    assert!((1..n_first).contains(&n_third), "{n_third}");
    assert!(third.n_due() > 0);
    // Nothing is known any more after a restart.
    let (_, n_again) = counted(&world.engine(), &world.client).await;
    assert_eq!(n_again, n_first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_counted_even_alone_is_not_tried_again_and_still_said() {
    let world = in_parts().await;
    world.light("w1").await;
    world.heavy("w2", "2026-09-10").await;
    let engine = world.engine();
    let (first, n_first) = counted(&engine, &world.client).await;
    assert!(n_first >= 2, "{n_first}");
    let (second, n_second) = counted(&engine, &world.client).await;
    assert_eq!(n_second, 0);
    for made in [&first, &second] {
        assert_eq!(made.n_due(), (N_DAYS - 31) * N_A_DAY);
        let [left] = &made.unprobed[..] else {
            panic!("{:#?}", made.unprobed);
        };
        assert_eq!(left.workspace.as_deref(), Some("w2"));
        assert!(left.reason.contains("MEMORY_LIMIT_EXCEEDED"), "{left:?}");
    }
    let again = "tried again at 2026-11-21T11:00:00Z";
    assert!(second.unprobed[0].reason.contains(again), "{second:#?}");
    let (_, n_again) = counted(&world.engine(), &world.client).await;
    assert!(n_again > 0, "another engine knows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_is_one_for_all_that_is_counted_in_a_table() {
    let world = in_parts().await;
    world.light("w0").await;
    for n in 1..=12 {
        let name = format!("w{n}");
        world.heavy(&name, "2026-09-10").await;
        if n > 6 {
            let hold = ebbtide::NewHold {
                scope: Scope::Workspace(name.as_str().into()),
                range: ebbtide::HoldRange::default(),
                reason: "a test".into(),
                owner: "test".into(),
                created_at: at(NOW),
            };
            let placed = world.ledger.place_hold(&hold, "test".into()).await;
            placed.unwrap();
        }
    }
    let engine = world.engine();
    let (first, n_first) = counted(&engine, &world.client).await;
    assert!(first.n_due() > 0, "{first:#?}");
    // Eight looks at what is due end it; what is left is looked at once.
    assert!((9..=13).contains(&n_first), "{n_first}");
    let (_, n_second) = counted(&engine, &world.client).await;
    assert!(n_second < n_first, "{n_second}");
    let mut n_last = n_second;
    for _ in 0..4 {
        (_, n_last) = counted(&engine, &world.client).await;
    }
    assert_eq!(n_last, 0, "all that cannot be counted is known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_apart_is_counted_apart_after_its_step() {
    let world = World::with(", probe_rows: 1500").await;
    for table in ["spans", "traces"] {
        world.sql(&format!("DROP TABLE {table} SYNC")).await;
        let create = format!(
            "CREATE TABLE {table} (w String, p String, at DateTime('UTC'), n UInt64) \
             ENGINE = MergeTree ORDER BY (w, at) SETTINGS index_granularity = 64"
        );
        world.sql(&create).await;
        let fill = format!(
            "INSERT INTO {table} SELECT concat('w', toString(number % 4)), 'p', \
             toDateTime('2026-09-01', 'UTC') + number * 600, number FROM numbers(4000)"
        );
        world.sql(&fill).await;
    }
    for n in 0..3 {
        world.rule(&format!("w{n}"), "30d").await;
    }
    let engine = world.engine();
    let client = world.database.client();
    let made = plan(&engine).await;
    assert_eq!((made.n_due(), made.is_uncounted()), (6_000, false));
    let n_before = n_failed(&client);
    assert!(n_before > 0);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!((report.steps.len(), report.n_deleted()), (2, 6_000));
    assert_eq!(n_failed(&client), n_before);
}
