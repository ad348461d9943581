//! What is under `deploy/`, and `docs/operations.md`, against the program: they name every metric, and
//! nothing that does not exist. A metric or label that is misspelt in an alert would never fire.

mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ebbtide::{Config, METRICS, Stop};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use expression::{captures, expressions, metric};

#[derive(Deserialize)]
struct AlertFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    #[serde(rename = "alert")]
    name: String,
    expr: String,
    #[serde(rename = "for")]
    lasting: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alerts() -> Vec<Alert> {
    let file: AlertFile = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yml")).unwrap();
    file.groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap()
}

/// The panels that show something; rows only divide them.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// The files of `deploy/` and the page about operations.
fn files() -> Vec<PathBuf> {
    let mut files = vec![path("docs/operations.md")];
    let mut folders = vec![path("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn every_metric_that_is_named_exists() {
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in captures(r"\b(ebbtide_[a-z0-9_]+)", &text) {
            assert!(
                metric(name[0]).is_some(),
                "{} names {}",
                file.display(),
                name[0]
            );
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard_and_in_the_documents() {
    let shown: BTreeSet<&str> = expressions()
        .iter()
        .flat_map(|(_, expr, _)| captures(r"(ebbtide_\w+)", expr).concat())
        .filter_map(|series| metric(series).map(|metric| metric.name))
        .collect();
    let page = read("docs/operations.md");
    for metric in METRICS {
        assert!(
            shown.contains(metric.name),
            "no panel shows {}",
            metric.name
        );
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = labels.join(", ");
        let row = format!("| `{}` | {kind} | {labels}", metric.name);
        let is_there = page.lines().any(|line| {
            let rest = line.strip_prefix(row.trim_end());
            rest.is_some_and(|rest| rest.trim_start().starts_with('|'))
        });
        assert!(
            is_there,
            "docs/operations.md has no row that begins {row} |"
        );
    }
}

#[test]
fn every_alert_says_what_it_means_and_has_its_entry_and_its_test() {
    let runbook = read("deploy/runbook.md");
    let entries: Vec<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|title| title.starts_with("Ebbtide"))
        .collect();
    let alerts = alerts();
    let names: Vec<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(
        entries, names,
        "entries of the runbook, and alerts, in their order"
    );
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    let tests = read("deploy/prometheus/alerts_test.yml");
    let is_length = Regex::new(r"^[1-9][0-9]*[mhd]$").unwrap();
    for alert in &alerts {
        let name = &alert.name;
        assert!(
            is_length.is_match(&alert.lasting),
            "{name}: for {}",
            alert.lasting
        );
        let severity = alert.labels["severity"].as_str();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        for key in ["summary", "description"] {
            assert!(
                alert.annotations[key].trim().ends_with(['.', '}']),
                "{name}: {key}"
            );
        }
        let anchor = format!("deploy/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], anchor);
        let fires = format!("alertname=\"{name}\"");
        assert!(
            tests.contains(&fires),
            "alerts_test.yml does not raise {name}"
        );
    }
}

/// Anchors of the runbook and of the page, as they are linked from each other.
#[test]
fn links_between_the_documents_lead_somewhere() {
    for name in [
        "deploy/runbook.md",
        "deploy/README.md",
        "docs/operations.md",
    ] {
        let text = read(name);
        for link in captures(r"\]\(([^)#]*)(?:#([^)]+))?\)", &text) {
            let file = if link[0].is_empty() {
                path(name)
            } else {
                path(name).parent().unwrap().join(link[0])
            };
            let linked = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{name}: {}: {error}", link[0]));
            let anchors = linked
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase())
                .map(|title| title.replace(' ', "-").replace('`', ""));
            let is_there = link[1].is_empty() || anchors.into_iter().any(|to| to == link[1]);
            assert!(is_there, "{name}: no {} in {}", link[1], file.display());
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_has_a_place_of_its_own() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let mut rows = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] == "row" {
            rows.push(title);
            continue;
        }
        assert!(
            panel["description"].as_str().unwrap().ends_with('.'),
            "{title}"
        );
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
        assert!(unit.is_some_and(|unit| !unit.is_empty()), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for of in targets.iter().chain([panel]) {
            assert_eq!(of["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    assert_eq!(rows, ["Health", "Promises", "Work", "Guards", "API"]);
}

/// The samples are valid, and give a statement that runs the time that the configuration does.
#[test]
fn the_samples_hold() {
    let text = read("deploy/kubernetes/ebbtide.yaml");
    let [map, deployment]: [Value; 2] = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect::<Vec<Value>>()
        .try_into()
        .unwrap();
    let secrets = tempfile::tempdir().unwrap();
    for name in ["clickhouse", "ledger", "token"] {
        std::fs::write(secrets.path().join(name), "a0".repeat(32)).unwrap();
    }
    let config = map["data"]["config.yml"].as_str().unwrap();
    let config = config.replace("/run/secrets/ebbtide", secrets.path().to_str().unwrap());
    let longest_s = |config: &str| {
        let serve = Config::parse(config).unwrap().serve;
        (serve.shutdown_timeout + Stop::GRACE).as_secs()
    };
    let pod = &deployment["spec"]["template"]["spec"];
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > longest_s(&config));

    let unit = read("deploy/systemd/ebbtide.service");
    let default = "version: 1\ntargets: [{table: t, workspace: w, age: {uuid_v7: id}}]";
    let stop_s: u64 = captures(r"(?m)^TimeoutStopSec=(\d+)$", &unit)[0][0]
        .parse()
        .unwrap();
    assert!(stop_s > longest_s(default));

    let tests: Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts_test.yml")).unwrap();
    assert!(!tests["tests"].as_array().unwrap().is_empty());
}
