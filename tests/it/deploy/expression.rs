//! The expressions of alerts and dashboard: their metrics, labels, and the values of labels.

use std::collections::BTreeSet;

use ebbtide::{METRICS, Metric, MetricKind, Metrics};
use regex::Regex;

use super::{alerts, dashboard, panels};

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

#[test]
fn labels_and_their_values_are_those_of_the_metrics() {
    let metrics = Metrics::new().unwrap();
    metrics.know_tables(["t"]);
    let begun = metrics.render();
    for (place, expr, shown) in expressions() {
        let series = captures(r#"(ebbtide_\w+)(?:\{((?:[^"}]|"[^"]*")*)\})?"#, &expr);
        assert!(!series.is_empty(), "{place}: {expr}");
        let mut known: BTreeSet<&str> = ADDED.into();
        for found in &series {
            let of = metric(found[0]).unwrap_or_else(|| panic!("{place}: {}", found[0]));
            let is_whole = of.kind != MetricKind::Histogram || found[0] != of.name;
            assert!(
                is_whole,
                "{place}: {} has no series of its own name",
                of.name
            );
            known.extend(of.labels);
            if found[0].ends_with("_bucket") {
                known.insert("le");
            }
            for matcher in captures(r#"(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)""#, found[1]) {
                let (label, value) = (matcher[0], matcher[1]);
                let is_known = ADDED.contains(&label) || of.labels.contains(&label);
                assert!(is_known, "{place}: {} has no label {label}", of.name);
                if ["outcome", "verdict", "reason"].contains(&label) {
                    for value in value.split('|') {
                        let pair = format!("{label}=\"{value}\"");
                        assert!(begun.contains(&pair), "{place}: nothing has {pair}");
                    }
                }
            }
        }
        let groups = captures(r"\b(by|on|ignoring|without)\s*\(([^)]*)\)", &expr);
        for label in groups.iter().flat_map(|group| group[1].split(',')) {
            let label = label.trim();
            assert!(known.contains(label), "{place}: no label {label} in {expr}");
        }
        // What is left after the outermost aggregation, which comes first.
        let left: BTreeSet<&str> = match groups.iter().find(|group| group[0] == "by") {
            Some(by) if !expr.trim_start().starts_with("ebbtide_") => {
                by[1].split(',').map(str::trim).collect()
            }
            _ => known,
        };
        for label in &shown {
            assert!(left.contains(label.as_str()), "{place}: {label} is empty");
        }
    }
}

/// Every expression, with where it stands and the labels that its texts show.
pub fn expressions() -> Vec<(String, String, BTreeSet<String>)> {
    let shown = |pattern: &str, texts: &[&str]| -> BTreeSet<String> {
        let texts = texts.join("\n");
        let found = captures(pattern, &texts);
        found.into_iter().map(|label| label[0].to_owned()).collect()
    };
    let mut all = Vec::new();
    for alert in alerts() {
        let texts: Vec<&str> = alert.annotations.values().map(String::as_str).collect();
        let labels = shown(r"\$labels\.(\w+)", &texts);
        all.push((alert.name, alert.expr, labels));
    }
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().unwrap() {
            let text = |key: &str| target[key].as_str().unwrap();
            let labels = shown(r"\{\{\s*(\w+)\s*\}\}", &[text("legendFormat")]);
            let title = panel["title"].as_str().unwrap().to_owned();
            all.push((title, text("expr").to_owned(), labels));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for variable in variables
        .iter()
        .filter(|variable| variable["type"] == "query")
    {
        let query = variable["query"]["query"].as_str().unwrap();
        let [inner, label] = captures(r"^label_values\((.+), (\w+)\)$", query)[0][..] else {
            panic!("{query}")
        };
        let name = format!("variable {}", variable["name"]);
        all.push((name, inner.to_owned(), [label.to_owned()].into()));
    }
    all
}

/// The metric that a series belongs to; a histogram has three series.
pub fn metric(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| {
        let suffix = series.strip_prefix(metric.name);
        match metric.kind {
            MetricKind::Histogram => {
                suffix.is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
            }
            _ => suffix == Some(""),
        }
    })
}

pub fn captures<'t>(pattern: &str, text: &'t str) -> Vec<Vec<&'t str>> {
    let pattern = Regex::new(pattern).unwrap();
    let groups = |found: regex::Captures<'t>| -> Vec<&'t str> {
        let groups = found.iter().skip(1);
        groups
            .map(|group| group.map_or("", |group| group.as_str()))
            .collect()
    };
    pattern.captures_iter(text).map(groups).collect()
}
