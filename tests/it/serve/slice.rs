//! More is due than one look may count: the slot goes on until all of it is gone.

use ebbtide::Phase;

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_with_more_than_can_be_counted_goes_on_by_itself_until_it_is_done() {
    let town = Town::new().await;
    for table in ["spans", "traces"] {
        town.sql(&format!("DROP TABLE {table}")).await;
        town.sql(&format!(
            "CREATE TABLE {table} (w String, at DateTime('UTC'), n UInt64) \
             ENGINE = MergeTree ORDER BY (w, at) SETTINGS index_granularity = 256"
        ))
        .await;
        town.fill(table, 1).await;
        town.sql(&format!(
            "INSERT INTO {table} SELECT if(number % 100 = 0, 'w1', 'w2'), \
             now() - toIntervalDay(40 + intDiv(number, 2000)), number FROM numbers(100000)"
        ))
        .await;
    }
    let path = town.configure("", "");
    let yaml = std::fs::read_to_string(&path).unwrap();
    let yaml = yaml.replace("clickhouse: {", "clickhouse: {probe_rows: 20000, ");
    std::fs::write(&path, yaml).unwrap();
    let mut sidecar = Running::start(&town, "me", &TestClock::at(23, 3_599)).await;
    let seen = sidecar.status.wait_for(|status| {
        let of_spans = status.targets.iter().find(|of| of.table == "spans");
        of_spans.is_some_and(|of| of.backlog_is_uncounted)
    });
    let seen = tokio::time::timeout(std::time::Duration::from_mins(2), seen).await;
    let seen = seen.unwrap().unwrap().clone();
    let spans = seen.targets.iter().find(|of| of.table == "spans").unwrap();
    assert!(spans.backlog_rows > 0 && spans.retention_lag_seconds > 0);
    assert_eq!(spans.eta, None, "nobody knows");
    let status = sidecar.until_phase(Phase::Idle).await;
    assert_eq!(status.done_permille, 1_000);
    for target in &status.targets {
        assert_eq!(
            (target.backlog_rows, target.backlog_is_uncounted),
            (0, false)
        );
    }
    sidecar.end().await;
    for table in ["spans", "traces"] {
        assert_eq!(town.count(table).await, N_OLD);
    }
    let mut cycles = town.cycles().await;
    cycles.sort_by_key(|(cycle, _)| cycle.start.started_at);
    let ends: Vec<String> = cycles
        .into_iter()
        .map(|(cycle, _)| cycle.end.unwrap().1)
        .collect();
    let (last, before) = ends.split_last().unwrap();
    assert_eq!(last, "done");
    assert!(
        before.len() > 1 && before.iter().all(|end| end == "deferred"),
        "{ends:?}"
    );
}
