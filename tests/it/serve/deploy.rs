//! What is delivered beside the program fits the program.

use std::collections::BTreeSet;
use std::path::Path;

use ebbtide::{Config, METRICS, MetricKind};

fn deploy(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}

/// Every name of ours in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let pattern = regex::Regex::new(r"\bebbtide_[a-z0-9_]+").unwrap();
    pattern
        .find_iter(text)
        .map(|found| found.as_str())
        .collect()
}

fn exists(name: &str) -> bool {
    METRICS.iter().any(|metric| {
        let suffix = name.strip_prefix(metric.name);
        match metric.kind {
            MetricKind::Histogram => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        }
    })
}

#[test]
fn every_metric_that_a_dashboard_or_an_alert_names_exists() {
    for file in [
        "grafana/dashboard.json",
        "prometheus/alerts.yml",
        "prometheus/alerts_test.yml",
    ] {
        let text = deploy(file);
        let names = names(&text);
        assert!(names.len() > 5, "{file}");
        for name in names {
            assert!(exists(name), "{file} names {name}");
        }
    }
    assert!(
        !exists("ebbtide_statement_duration_seconds"),
        "a histogram has no sample of its name"
    );
    assert!(!exists("ebbtide_nothing_total"));
}

#[test]
fn every_label_that_a_dashboard_or_an_alert_names_exists() {
    let selector = regex::Regex::new(r"(ebbtide_[a-z0-9_]+)\{([^}]*)\}").unwrap();
    let label = regex::Regex::new(r"([a-z]+)\s*=~?").unwrap();
    let mut n_labels = 0;
    for file in [
        "grafana/dashboard.json",
        "prometheus/alerts.yml",
        "prometheus/alerts_test.yml",
    ] {
        let text = deploy(file);
        for found in selector.captures_iter(&text) {
            let metric = METRICS
                .iter()
                .find(|metric| found[1].starts_with(metric.name))
                .unwrap();
            for label in label.captures_iter(&found[2]) {
                n_labels += 1;
                let known =
                    ["job", "instance"].contains(&&label[1]) || metric.labels.contains(&&label[1]);
                assert!(known, "{file}: {}", &found[0]);
            }
        }
    }
    assert!(n_labels > 10);
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let text = deploy("grafana/dashboard.json");
    for metric in METRICS {
        assert!(text.contains(metric.name), "{}", metric.name);
    }
}

#[test]
fn the_dashboard_is_json_and_no_two_panels_overlap() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&deploy("grafana/dashboard.json")).unwrap();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{}", panel["title"]);
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}

#[test]
fn every_alert_has_an_entry_in_the_runbook_and_the_other_way_round() {
    let alerts = deploy("prometheus/alerts.yml");
    let alerts: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10);
    let runbook = deploy("runbook.md");
    let entries = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let entries: Vec<&str> = entries
        .filter(|entry| entry.starts_with("Ebbtide"))
        .collect();
    assert_eq!(alerts, entries);
    let text = deploy("prometheus/alerts.yml");
    for alert in alerts {
        let link = format!("runbook_url: deploy/runbook.md#{}", alert.to_lowercase());
        assert!(text.contains(&link), "{link}");
    }
}

#[test]
fn the_timeouts_of_service_managers_outlast_that_of_the_sidecar() {
    let config = "version: 1\ntargets: [{table: t, workspace: w, age: {uuid_v7: id}}]\n";
    let patience = Config::parse(config)
        .unwrap()
        .serve
        .shutdown_timeout
        .as_secs();
    for (file, key) in [
        ("systemd/ebbtide.service", "TimeoutStopSec="),
        ("kubernetes/ebbtide.yaml", "terminationGracePeriodSeconds: "),
    ] {
        let text = deploy(file);
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(key))
            .unwrap();
        assert!(line.parse::<u64>().unwrap() > patience, "{file}");
    }
}
