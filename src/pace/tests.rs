//! The size of steps, and how long quotas make statements wait.

use super::*;

fn pacer(statements_per_minute: u32, rows_per_second: u32) -> Pacer {
    Pacer::new(PaceConfig {
        statements_per_minute: NonZeroU32::new(statements_per_minute).unwrap(),
        rows_per_second: NonZeroU32::new(rows_per_second).unwrap(),
        ..PaceConfig::default()
    })
}

#[test]
fn a_step_that_was_slow_or_strained_the_server_is_followed_by_a_smaller_one() {
    let pacer = pacer(1, 1);
    let shard = Shard::new(crate::warehouse::ShardOptions::new("http://h")).unwrap();
    let target = pacer.config().statement_target;
    let learn = |n_rows, over, was_strained| {
        let took = target + Duration::from_millis(over);
        let is_smaller = pacer.learn(&shard, "spans", n_rows, took, was_strained);
        (pacer.rows_per_step(&shard, "spans"), is_smaller)
    };
    assert_eq!(learn(5_000_000, 0, true), (2_500_000, true));
    assert_eq!(learn(2_500_000, 1, false), (1_250_000, true));
    assert_eq!(learn(1_250_000, 0, false), (1_750_000, false));
    assert_eq!(
        pacer.rows_per_step(&shard, "traces"),
        5_000_000,
        "each for itself"
    );
}

#[test]
fn a_process_that_starts_knows_what_the_steps_of_the_record_took() {
    let pacer = pacer(1, 1);
    let shard = Shard::new(crate::warehouse::ShardOptions::new("http://h")).unwrap();
    let cost = |table: &str, method: Method, n_rows, duration_ms| StepCost {
        shard: shard.name().into(),
        table: table.into(),
        method: method.as_str().into(),
        n_parts: 1,
        n_rows,
        duration_ms,
    };
    let (fast, slow) = (300_000, 300_001);
    // The newest first.
    let costs = [
        cost("spans", Method::Partition, 9_000_000, slow),
        cost("spans", Method::Lightweight, 100, fast),
        cost("spans", Method::Patch, 1_250_000, fast),
        cost("spans", Method::Lightweight, 2_500_000, slow),
        cost("spans", Method::Lightweight, 5_000_000, slow),
        cost("traces", Method::Partition, 9_000_000, slow),
    ];
    pacer.recall(&costs);
    // What comes later this process learns by itself.
    pacer.recall(&[cost("traces", Method::Lightweight, 5_000_000, slow)]);
    assert_eq!(pacer.rows_per_step(&shard, "spans"), 3_000_000);
    assert_eq!(pacer.rows_per_step(&shard, "traces"), 5_000_000, "once");
}

#[tokio::test]
async fn rows_beyond_the_quota_take_their_time() {
    let pacer = pacer(1_000, 1_000);
    let start = Instant::now();
    pacer.ready(1_000).await;
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "the first second's rows are free"
    );
    pacer.ready(300).await;
    assert!(
        start.elapsed() >= Duration::from_millis(290),
        "300 rows are worth 0.3 s"
    );
}

#[tokio::test]
async fn statements_beyond_the_quota_wait() {
    let pacer = pacer(600, u32::MAX);
    let start = Instant::now();
    for _ in 0..601 {
        pacer.ready(0).await;
    }
    assert!(
        start.elapsed() >= Duration::from_millis(95),
        "600 at once, then one every 0.1 s"
    );
}
