//! `ebbtide demo` and `ebbtide clickhouse`, run as people run them.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::support::wait_until;

fn ebbtide() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
    // The demo must not care what is set for a real ledger.
    command.env("EBBTIDE_LEDGER__URL", "mysql://nobody@127.0.0.1:1/nothing");
    command
}

fn demo(arguments: &[&str]) -> (Output, Value) {
    let mut command = ebbtide();
    command.args(["--format", "json", "demo", "--traces", "10000"]);
    let output = command.args(arguments).output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output, document)
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn sum<'v>(values: impl IntoIterator<Item = &'v Value>, field: &str) -> u64 {
    values.into_iter().map(|value| number(&value[field])).sum()
}

#[test]
fn the_demo_ends_well_and_its_numbers_agree() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("new");
    let (output, document) = demo(&["--dir", place.to_str().unwrap()]);
    assert!(output.status.success(), "{document:#}");
    assert_eq!(document["ok"], true);
    let checks = document["checks"].as_array().unwrap();
    assert!(
        checks.iter().all(|check| check["ok"] == true),
        "{checks:#?}"
    );
    assert_eq!(checks.len(), 11);

    // Three accounts of the same rows: the plan's, the cycle's, and plain counts.
    let due = sum(document["plan"]["tables"].as_array().unwrap(), "n_due");
    let deleted = sum(document["cycle"]["steps"].as_array().unwrap(), "n_due");
    let tables = document["tables"].as_array().unwrap();
    let gone = sum(tables, "n_before") - sum(tables, "n_after");
    assert!(due > 10_000, "{due}");
    assert_eq!((deleted, gone), (due, due));
    for table in tables {
        let is_target = table["table"] != "experiment_items";
        assert_eq!(number(&table["n_deleted"]) > 0, is_target, "{table}");
    }

    let second = &document["second_cycle"];
    assert_eq!(second["n_statements"], 0);
    assert_eq!(second["n_mutations_before"], 5);
    assert_eq!(second["n_mutations_after"], 5);

    let statement = document["statement"]["sql"].as_str().unwrap();
    assert!(
        statement.contains(r"'x\'); DROP TABLE traces; --'"),
        "{statement}"
    );
    for kept in [
        "config.yml",
        "rules.yml",
        "workspaces.csv",
        "ebbtide.db",
        "clickhouse",
    ] {
        assert!(place.join(kept).exists(), "{kept}");
    }
}

#[test]
fn the_demo_leaves_a_directory_alone_that_holds_something() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine"), "").unwrap();
    let output = ebbtide()
        .args(["demo", "--dir"])
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn the_sample_config_is_valid() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.yml");
    let config = ebbtide::Config::load(&config).unwrap();
    assert!(
        config.without_effect.is_empty(),
        "{:?}",
        config.without_effect
    );
    let tables: Vec<_> = config
        .targets
        .iter()
        .map(|target| target.table.as_str())
        .collect();
    assert_eq!(
        tables,
        [
            "comments",
            "authored_feedback_scores",
            "feedback_scores",
            "spans",
            "traces"
        ]
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = ebbtide()
        .args(["clickhouse", "--http-port", &port])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(&port) && said.contains("--http-port"),
        "{said}"
    );
}

/// Starts a server, reads what it says when it runs, has a look, and ends it with a signal.
fn play(directory: &Path, signal: &str, look: impl FnOnce(&str)) {
    let mut child = ebbtide()
        .args(["clickhouse", "--http-port", "0", "--path"])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open: a server whose reader went away ends.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, rest) = line.split_once(" answers at ")?;
            rest.split_whitespace().next().map(str::to_owned)
        })
        .expect("it ended without saying where it answers");
    look(&url);
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    assert!(child.wait().unwrap().success(), "a clean end, by {signal}");
    let address = url.trim_start_matches("http://").to_owned();
    wait_until("the server to be gone", || {
        std::net::TcpStream::connect(&address).is_err()
    });
}

#[test]
fn a_server_to_play_with_ends_on_a_signal_and_keeps_its_data() {
    let directory = tempfile::tempdir().unwrap();
    let ask = |url: &str, sql: &str| -> String {
        let client = clickhouse::Client::default().with_url(url);
        super::support::block_on(async { client.query(sql).fetch_one().await }).unwrap()
    };
    play(directory.path(), "-INT", |url| {
        let client = clickhouse::Client::default().with_url(url);
        let create = "CREATE TABLE mine ENGINE = MergeTree ORDER BY () AS SELECT 'kept' AS word";
        super::support::block_on(async { client.query(create).execute().await }).unwrap();
    });
    play(directory.path(), "-TERM", |url| {
        assert_eq!(ask(url, "SELECT word FROM mine"), "kept");
    });
}
