//! `ebbtide reclaim`: what deleted rows hold, and freeing it.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use ebbtide::{CYCLE_LEASE, LeaseAttempt, connect_ledger};

use super::Scene;

async fn scene(reclaim: &str) -> Scene {
    let scene = Scene::new().await;
    scene.retention(&format!("reclaim: {{{reclaim}}}\n"));
    scene
        .execute("ALTER TABLE traces MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")
        .await;
    scene
}

async fn rewrites(scene: &Scene) -> u64 {
    let sql = "SELECT count() FROM system.mutations WHERE database = currentDatabase() \
               AND command LIKE '%APPLY %'";
    scene.count(sql).await
}

#[tokio::test]
async fn it_says_what_deleted_rows_hold_and_frees_it_although_serve_may_not() {
    let scene = scene("enabled: false, after: 0s").await;
    let none = scene.good(&["reclaim"]).stdout;
    assert!(none.contains("no deleted row is on disk"), "{none}");
    scene.execute("DELETE FROM traces WHERE n % 2 = 0").await;

    let dry = scene.good(&["reclaim", "--dry-run"]).stdout;
    assert!(
        dry.contains("rewrite") && dry.contains("50.0 % of it is dead"),
        "{dry}"
    );
    assert_eq!(rewrites(&scene).await, 0, "it only looks");

    let done = scene.good(&["reclaim", "--format=json"]).stdout;
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    assert_eq!(done["partitions"][0]["n_dead"], 50, "{done}");
    assert_eq!(done["rewrites"][0]["outcome"], "freed", "{done}");
    assert!(done["freed_bytes"].as_u64() > Some(0), "{done}");
    assert_eq!(rewrites(&scene).await, 1);

    let history = scene.good(&["history", "-v"]).stdout;
    assert!(
        history.contains("reclaim masks") && history.contains("partition all"),
        "{history}"
    );
    scene.good(&["audit", "verify"]);
}

#[tokio::test]
async fn what_is_not_worth_it_is_left_with_a_reason() {
    let scene = scene("after: 0s, min_dead_share: 0.9").await;
    scene.execute("DELETE FROM traces WHERE n % 2 = 0").await;
    let left = scene.good(&["reclaim"]).stdout;
    assert!(
        left.contains("less than reclaim.min_dead_share (90.0 %)"),
        "{left}"
    );
    assert_eq!(rewrites(&scene).await, 0);
}

#[tokio::test]
async fn a_table_that_cannot_be_counted_is_named() {
    let scene = scene("after: 0s").await;
    scene.execute("DELETE FROM traces WHERE n % 2 = 0").await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let config = config.replace("clickhouse:\n", "clickhouse:\n  probe_rows: 1\n");
    scene.write("config.yml", &config);
    let outcome = scene.run(&["reclaim", "--dry-run"]);
    assert_eq!(outcome.code, 1, "{}", outcome.transcript);
    assert!(
        outcome.stdout.contains("not looked at: traces"),
        "{}",
        outcome.transcript
    );
}

#[tokio::test]
async fn without_any_shard_it_says_that_none_can_be_reached() {
    let scene = scene("after: 0s").await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let config = config.replace(scene.database.url(), "http://127.0.0.1:1");
    scene.write("config.yml", &config);
    let outcome = scene.run(&["reclaim"]);
    assert_eq!(outcome.code, 69, "{}", outcome.transcript);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_rewrites_others_have_the_lease() {
    let scene = scene("enabled: false, after: 0s").await;
    scene
        .execute("CREATE TABLE parts AS traces ENGINE = MergeTree ORDER BY id PARTITION BY n < 50")
        .await;
    scene
        .execute("INSERT INTO parts SELECT * FROM traces")
        .await;
    scene
        .execute("RENAME TABLE traces TO before, parts TO traces")
        .await;
    scene
        .execute("ALTER TABLE traces MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")
        .await;
    scene.execute("DELETE FROM traces WHERE n % 2 = 0").await;
    let url = format!("sqlite://{}", scene.path().join("ebbtide.db").display());
    let ledger = connect_ledger(&url, None).await.unwrap();
    let mut child = scene.command(&["reclaim"]).spawn().unwrap();
    while rewrites(&scene).await == 0 {
        tokio::task::yield_now().await;
    }
    let length = Duration::from_mins(5);
    let lease = loop {
        let asked = ledger.acquire_lease(CYCLE_LEASE, "another", length).await;
        match asked.unwrap() {
            LeaseAttempt::Held(lease) => break lease,
            LeaseAttempt::Busy(_) => tokio::task::yield_now().await,
        }
    };
    let said = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = "another is at work; this goes on afterwards";
    let heard = said.map_while(Result::ok).find(|line| line.contains(waits));
    assert!(heard.is_some(), "it ended before it waited");
    assert_eq!(rewrites(&scene).await, 1, "nothing is sent meanwhile");
    ledger.release_lease(&lease).await.unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(rewrites(&scene).await, 2);
    assert!(ledger.leases().await.unwrap().is_empty(), "given back");
}
