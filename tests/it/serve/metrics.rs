//! Metrics of a real process: at zero first, and right after a cycle.

use std::collections::BTreeSet;
use std::time::Duration;

use ebbtide::{METRICS, Metric, MetricKind, QuarantineState};
use jiff::Timestamp;
use regex::Regex;

use super::quarantined::Quarantined;
use super::town::N_OLD;
use super::{Process, Town};
use crate::support::wait_until;

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
    let n_days = u32::try_from(town.days_done().await.len()).unwrap();
    let rows = Some(f64::from(u32::try_from(N_OLD).unwrap()));
    for (sample, expected) in [
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
    // A day may have begun meanwhile.
    let n_cycles = process.metric("ebbtide_cycles_total{outcome=\"done\"}");
    assert!(n_cycles >= Some(f64::from(n_days)));
    declared_and_exported_agree(&process);
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
    assert!(cycles.len() <= town.days_done().await.len() + 1);
    assert_eq!(
        (&cycles[0]["outcome"], &cycles[0]["rows_deleted"]),
        (&"done".into(), &160.into())
    );
    process.end();
}

/// This instance deletes nothing, so it is not the one that looks after the quarantine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_has_in_quarantine_is_in_the_metric() {
    let town = Town::new().await;
    town.configure(", enabled: false", "");
    let until = Timestamp::now() + Duration::from_hours(24);
    let quarantined = Quarantined::begin(&town, until).await;
    let process = town.start();
    for (state, n_bytes) in [
        (QuarantineState::Kept, 77.0),
        (QuarantineState::Dropped, 0.0),
    ] {
        quarantined.change(state).await;
        wait_until(state.as_str(), || {
            process.metric("ebbtide_quarantined_bytes{table=\"spans\"}") == Some(n_bytes)
        });
    }
    process.end();
}

/// Alerts and panels are held to the list of metrics; here the list is held to what a process exports.
fn declared_and_exported_agree(process: &Process) {
    let (_, text) = process.ask("GET", "/metrics", "");
    let sample = Regex::new(r"^(ebbtide_\w+)(?:\{(.*)\})? ").unwrap();
    let label = Regex::new(r#"(\w+)=""#).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(parts) = sample.captures(line) else {
            assert_eq!(line, "");
            continue;
        };
        let name = &parts[1];
        let is_it = |metric: &&Metric| match metric.kind {
            MetricKind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| name.strip_suffix(suffix) == Some(metric.name)),
            MetricKind::Counter | MetricKind::Gauge => name == metric.name,
        };
        let metric = METRICS.iter().find(is_it);
        let metric = metric.unwrap_or_else(|| panic!("{line} is not in the list"));
        let labels = parts.get(2).map_or("", |labels| labels.as_str());
        let labels: BTreeSet<&str> = label
            .captures_iter(labels)
            .map(|found| found.get(1).unwrap().as_str())
            .filter(|label| *label != "le")
            .collect();
        let declared: BTreeSet<&str> = metric.labels.iter().copied().collect();
        assert_eq!(labels, declared, "{line}");
        seen.insert(metric.name);
    }
    let all: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(seen, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_a_port_of_their_own_where_one_is_configured() {
    let town = Town::new().await;
    let text = std::fs::read_to_string(town.path()).unwrap();
    let own = "api: {metrics_listen: \"127.0.0.1:0\", listen";
    std::fs::write(town.path(), text.replace("api: {listen", own)).unwrap();
    let process = town.start();
    process.until_phase("idle");
    let started = process.until_logged("started");
    let own = started["metrics_listen"].as_str().unwrap();
    assert_ne!(own, started["listen"].as_str().unwrap());
    let (code, text) = Process::ask_at(own, "GET", "/metrics", "");
    assert_eq!(code, 200);
    assert!(text.contains("\nebbtide_ready 1\n"), "{text}");
    for path in ["/health/livez", "/health/readyz"] {
        assert_eq!(Process::ask_at(own, "GET", path, "").0, 200, "{path}");
    }
    // Nothing else is there, not even for an admin; and metrics are not with the API.
    assert_eq!(Process::ask_at(own, "GET", "/v1/status", "").0, 404);
    assert_eq!(process.ask("GET", "/metrics", "").0, 404);
    assert_eq!(process.ask("GET", "/health/livez", "").0, 200);
    process.end();
}
