//! Metrics of a real process: at zero first, and right after a cycle.

use ebbtide::METRICS;

use super::Town;
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_at_zero_before_a_cycle_and_right_after_it() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES spans").await;
    let process = town.start();
    town.until_mutations(1).await;
    let (_, text) = process.ask("GET", "/metrics", "");
    for metric in METRICS
        .iter()
        .filter(|metric| !metric.labels.contains(&"route"))
    {
        assert!(
            text.contains(&format!("# TYPE {} ", metric.name)),
            "{}",
            metric.name
        );
    }
    let zero = [
        "ebbtide_cycles_total{outcome=\"done\"}",
        "ebbtide_steps_total{table=\"spans\",verdict=\"verified\"}",
        "ebbtide_rows_deleted_total{table=\"traces\",method=\"lightweight\"}",
        "ebbtide_lease_losses_total",
        "ebbtide_statement_duration_seconds_count{table=\"spans\"}",
    ];
    for sample in zero {
        assert_eq!(process.metric(sample), Some(0.0), "{sample}");
    }
    assert_eq!(process.metric("ebbtide_lease_held"), Some(1.0));

    town.sql("SYSTEM START MERGES spans").await;
    town.until_ended("done").await;
    process.until_phase("idle");
    let rows = Some(f64::from(u32::try_from(N_OLD).unwrap()));
    for (sample, expected) in [
        ("ebbtide_cycles_total{outcome=\"done\"}", Some(1.0)),
        (
            "ebbtide_steps_total{table=\"spans\",verdict=\"verified\"}",
            Some(1.0),
        ),
        (
            "ebbtide_rows_deleted_total{table=\"traces\",method=\"lightweight\"}",
            rows,
        ),
        (
            "ebbtide_statement_duration_seconds_count{table=\"spans\"}",
            Some(1.0),
        ),
        ("ebbtide_backlog_rows{table=\"spans\"}", Some(0.0)),
        ("ebbtide_retention_lag_seconds{table=\"spans\"}", Some(0.0)),
        ("ebbtide_lease_held", Some(0.0)),
        ("ebbtide_slots_done", Some(1.0)),
        ("ebbtide_ready", Some(1.0)),
    ] {
        assert_eq!(process.metric(sample), expected, "{sample}");
    }
    assert!(process.metric("ebbtide_probe_duration_seconds_count{table=\"spans\"}") >= Some(1.0));
    assert!(process.metric("ebbtide_last_success_timestamp_seconds") > Some(1e9));

    // One wide event for each step, and one for the cycle.
    let steps = process.events("step");
    assert_eq!(steps.len(), 2);
    for step in steps {
        for field in [
            "cycle",
            "step",
            "shard",
            "table",
            "method",
            "shape",
            "rows_due",
            "rows_deleted",
            "rows_left",
            "verdict",
            "duration_ms",
            "query_id",
            "revision",
        ] {
            assert!(!step[field].is_null(), "{field} in {step}");
        }
    }
    let cycles = process.events("cycle");
    assert_eq!(cycles.len(), 1);
    assert_eq!(
        (&cycles[0]["outcome"], &cycles[0]["rows_deleted"]),
        (&"done".into(), &160.into())
    );
    process.end();
}
