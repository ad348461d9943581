//! `status`: what holds each table back at this moment, and what nobody knows yet.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use ebbtide::Embedded;
use serde_json::{Value, json};

use super::Scene;
use super::scene::Outcome;
use super::servers::closed_port;
use crate::support::{embedded_options, with_pace};

/// What it says as JSON, and how it ended.
fn ask(scene: &Scene) -> (Value, i32) {
    let Outcome {
        code,
        stdout,
        stderr,
        ..
    } = scene.run(&["--format=json", "status"]);
    let view = serde_json::from_str(&stdout);
    (view.unwrap_or_else(|_| panic!("{stdout}\n{stderr}")), code)
}

/// What holds `traces` back, and why.
#[track_caller]
fn held(scene: &Scene) -> (Value, String) {
    let (view, code) = ask(scene);
    assert_eq!(code, 0, "{view:#}");
    let traces = &view["targets"][0];
    let reason = traces["reason"].as_str().unwrap_or_default();
    (traces["held_back_by"].clone(), reason.to_owned())
}

/// More keys in the section `pace`.
fn pace(scene: &Scene, keys: &str) {
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    scene.write("config.yml", &with_pace(&config, keys));
}

#[tokio::test]
async fn what_nobody_has_looked_at_is_unknown_and_it_says_why() {
    let scene = Scene::new().await;
    let (view, code) = ask(&scene);
    assert_eq!(code, 0, "{view:#}");
    let traces = &view["targets"][0];
    for unknown in [
        "backlog_rows",
        "deferred_rows",
        "waiting_rows",
        "retention_lag_seconds",
        "dead_bytes",
        "reclaim_lag_seconds",
        "eta",
    ] {
        assert!(traces[unknown].is_null(), "{unknown}: {view:#}");
    }
    assert_eq!(traces["quarantined_bytes"], 0);
    let text = scene.good(&["status"]).stdout;
    for why in [
        "`ebbtide plan` looks now",
        "`ebbtide reclaim --dry-run` looks now",
    ] {
        assert!(text.contains(why), "{text}");
    }
    // Somebody looks.
    scene.good(&["reclaim", "--dry-run"]);
    let (view, _) = ask(&scene);
    let traces = &view["targets"][0];
    assert_eq!(
        (&traces["dead_bytes"], &traces["backlog_rows"]),
        (&json!(0), &Value::Null),
        "{view:#}"
    );
    assert!(traces["dead_seen_at"].is_string(), "{view:#}");
    assert!(!scene.good(&["status"]).stdout.contains("--dry-run"));
}

#[tokio::test]
async fn a_pause_is_named_and_holds_back_what_it_is_of() {
    let scene = Scene::new().await;
    assert_eq!(held(&scene).0, Value::Null);
    scene.good(&["pause", "--workspace=w1", "--reason=move"]);
    assert_eq!(held(&scene).0, Value::Null, "others of the table go");
    scene.good(&["pause", "--target=traces", "--reason=incident"]);
    let (by, why) = held(&scene);
    assert_eq!(by, "paused");
    assert!(why.contains("incident"), "{why}");
    let text = scene.good(&["status"]).stdout;
    for line in [
        "paused     workspace \"w1\"",
        "paused     target \"traces\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    scene.good(&["resume", "--target=traces"]);
    scene.good(&["pause", "--all", "--reason=night"]);
    assert_eq!(held(&scene), ("paused".into(), "everything: night".into()));
}

#[tokio::test]
async fn what_clickhouse_is_too_busy_with_is_named() {
    let scene = Scene::new().await;
    scene.execute("SYSTEM STOP MERGES traces").await;
    let update = "ALTER TABLE traces UPDATE n = n + 1 WHERE n = 2 SETTINGS mutations_sync = 0";
    for _ in 0..5 {
        scene.execute(update).await;
    }
    let (by, why) = held(&scene);
    assert_eq!(by, "unfinished_mutations");
    let url = scene.database.url();
    assert!(why.starts_with(&format!("on {url}: ")), "{why}");
    assert!(
        why.contains("pace.backpressure.unfinished_mutations is 5"),
        "{why}"
    );
    let text = scene.good(&["status"]).stdout;
    assert!(text.contains(&format!("traces: {why}")), "{text}");

    let ours = "DELETE FROM traces WHERE n = 1 AND 'ebbtide:retention:traces:01c0-ffee-7' != '' \
                SETTINGS lightweight_deletes_sync = 0";
    scene.execute(ours).await;
    let (by, why) = held(&scene);
    assert_eq!(by, "running_mutation", "{why}");
    let old = "SELECT count() FROM system.mutations WHERE database = currentDatabase() \
               AND create_time < now() - 1 AND command LIKE '%ebbtide:%'";
    while scene.count(old).await == 0 {}
    pace(&scene, "stall_after: 1s");
    let (view, _) = ask(&scene);
    let stalled = view["targets"][0]["stalled"].as_str().unwrap();
    assert!(stalled.starts_with("no part of the mutation"), "{stalled}");
    scene.execute("SYSTEM START MERGES traces").await;
}

#[tokio::test]
async fn a_disk_that_is_too_full_and_a_window_that_is_closed_are_named() {
    let scene = Scene::new().await;
    let hour = |ahead: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(ahead);
        at.strftime("%H:00").to_string()
    };
    let window = format!("{}-{}", hour(3), hour(5));
    pace(
        &scene,
        &format!("window: \"{window}\", backpressure: {{free_disk_share: 0.9999}}"),
    );
    assert_eq!(held(&scene).0, "free_disk_share");
    let (view, _) = ask(&scene);
    assert_eq!(view["window"], window.as_str());
    assert!(view["window_opens_at"].is_string(), "{view:#}");
    let text = scene.good(&["status"]).stdout;
    assert!(text.contains("window     closed: pace.window is"), "{text}");
}

#[tokio::test]
async fn what_the_ledger_knows_is_said_while_the_server_is_down() {
    let server = Embedded::start(embedded_options()).unwrap();
    let scene = Scene::new_at(&server).await;
    scene.good(&["reclaim", "--dry-run"]);
    let (before, code) = ask(&scene);
    assert_eq!(code, 0, "{before:#}");
    drop(server);
    let (view, code) = ask(&scene);
    assert_eq!(code, 69, "{view:#}");
    let (seen_at, known) = (&before["targets"][0]["dead_seen_at"], &view["targets"][0]);
    assert!(seen_at.is_string(), "{before:#}");
    assert_eq!(&known["dead_seen_at"], seen_at, "{view:#}");
    assert_eq!(known["dead_bytes"], 0, "{view:#}");
}

#[tokio::test]
async fn servers_that_are_down_are_named() {
    let scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let one = format!("[{{url: \"{}\"}}]", scene.database.url());
    assert!(config.contains(&one));
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    for (shards, code) in [
        (format!("[{{url: \"{nobody}\"}}]"), 69),
        (
            format!(
                "[{{url: \"{}\"}}, {{url: \"{nobody}\"}}]",
                scene.database.url()
            ),
            1,
        ),
    ] {
        scene.write("config.yml", &config.replace(&one, &shards));
        let (view, ended) = ask(&scene);
        assert_eq!(ended, code, "{view:#}");
        assert_eq!(view["silent"][0]["shard"], nobody.as_str(), "{view:#}");
        let traces = &view["targets"][0];
        assert_eq!(traces["held_back_by"], "unreachable", "{view:#}");
        assert!(
            traces["dead_bytes"].is_null(),
            "nobody looked at the other: {view:#}"
        );
        let text = scene.run(&["status"]).stdout;
        assert!(text.contains(&format!("not asked  {nobody}: ")), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let scene = Scene::new().await;
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let url = format!("http://{}", hangs.local_addr().unwrap());
    scene.write("config.yml", &config.replace(scene.database.url(), &url));
    let began_at = Instant::now();
    let (view, code) = ask(&scene);
    assert!(began_at.elapsed() < Duration::from_secs(40), "{view:#}");
    assert_eq!(code, 69, "{view:#}");
    let why = view["silent"][0]["reason"].as_str().unwrap();
    assert_eq!(why, "it did not answer within 10 s");
}
