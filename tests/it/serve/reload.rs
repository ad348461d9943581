//! Reading the configuration again.

use rustix::process::Signal;

use super::Town;
use super::town::N_OLD;
use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_takes_a_good_configuration_and_refuses_a_bad_one() {
    let town = Town::new().await;
    town.configure(", enabled: false", "");
    let process = town.start();
    let status = process.until_phase("dry_run");
    assert!(
        status["reason"]
            .as_str()
            .unwrap()
            .contains("retention.enabled is false")
    );
    wait_until("the dry run has looked", || {
        process.metric("ebbtide_backlog_rows{table=\"spans\"}") == Some(80.0)
    });
    assert!(
        process.metric("ebbtide_retention_lag_seconds{table=\"spans\"}") > Some(60.0 * 86_400.0)
    );

    // Not even a configuration.
    std::fs::write(town.path(), "version: 1\nretentoin: {}\n").unwrap();
    process.signal(Signal::HUP);
    process.until_logged("the configuration is refused");
    assert_eq!(
        process.metric("ebbtide_config_reload_failures_total"),
        Some(1.0)
    );
    let status = process.get("/v1/status");
    assert!(
        status["config_error"]
            .as_str()
            .unwrap()
            .contains("retentoin"),
        "{status}"
    );
    assert_eq!(status["phase"], "dry_run", "the one before it stays");

    // One that would need a restart.
    let path = town.configure("", "");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("ledger.db", "other.db")).unwrap();
    process.signal(Signal::HUP);
    process.until_event("the configuration is refused", |event| {
        event["error"]
            .as_str()
            .is_some_and(|error| error.starts_with("ledger.url cannot change"))
    });
    assert_eq!(
        (town.count("spans").await, town.mutations().await),
        (2 * N_OLD, 0)
    );

    // What was left of a table that is a target no more raises no alert for ever.
    let path = town.configure(", enabled: false", "");
    let text = std::fs::read_to_string(&path).unwrap();
    let spans = "- {table: spans, workspace: w, age: {time: at}}\n";
    assert!(text.contains(spans));
    std::fs::write(&path, text.replace(spans, "")).unwrap();
    process.signal(Signal::HUP);
    process.until_logged("the configuration was read again");
    for sample in ["backlog_rows", "retention_lag_seconds"] {
        let sample = format!("ebbtide_{sample}{{table=\"spans\"}}");
        assert_eq!(process.metric(&sample), Some(0.0), "{sample}");
    }

    town.configure("", "");
    process.signal(Signal::HUP);
    town.until_ended("done").await;
    process.until_phase("idle");
    assert_eq!(
        process.get("/v1/status")["config_error"],
        serde_json::Value::Null
    );
    assert_eq!(process.metric("ebbtide_enabled"), Some(1.0));
    process.end();
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_default_is_respected_from_the_next_statement_on() {
    let town = Town::new().await;
    // No rule of this workspace: the default decides alone.
    for table in ["spans", "traces"] {
        town.sql(&format!(
            "INSERT INTO {table} SELECT 'x', now() - toIntervalDay(100), number FROM numbers(9)"
        ))
        .await;
    }
    town.configure(", default: 40d", "");
    town.sql("SYSTEM STOP MERGES spans").await;
    let process = town.start();
    town.until_mutations(1).await;
    town.configure(", default: 400d", "");
    process.signal(Signal::HUP);
    process.until_logged("the configuration was read again");
    town.sql("SYSTEM START MERGES spans").await;
    town.until_ended("done").await;
    process.end();
    let of_x = async |table: &str| town.count(&format!("{table} WHERE w = 'x'")).await;
    assert_eq!((of_x("spans").await, of_x("traces").await), (0, 9));
    assert_eq!(town.count("traces WHERE w != 'x'").await, N_OLD);
    let ends: Vec<String> = town
        .cycles()
        .await
        .into_iter()
        .filter_map(|(cycle, _)| Some(cycle.end?.1))
        .collect();
    assert_eq!(ends, ["stopped", "done"]);
}
