//! More is due than one look may count.

use serde_json::Value;

use super::Scene;
use super::scene::N_YOUNG;

const LIMIT: [(&str, &str); 1] = [("EBBTIDE_CLICKHOUSE__PROBE_ROWS", "20000")];

/// Ids of version 7 in text, of forty days: an index of them tells their time.
async fn large() -> Scene {
    let scene = Scene::new().await;
    scene.execute("DROP TABLE traces").await;
    scene
        .execute(
            "CREATE TABLE traces (workspace_id String, project_id String, id String, n UInt64) \
             ENGINE = MergeTree ORDER BY (workspace_id, project_id, id) SETTINGS index_granularity = 256",
        )
        .await;
    scene.fill("traces", 1, N_YOUNG).await;
    for age_days in 80..120 {
        scene.fill("traces", age_days, 3_000).await;
    }
    scene.execute("OPTIMIZE TABLE traces FINAL").await;
    scene.retention("retention: {default: 60d, max_share_of_table: 1.0}\n");
    scene
}

/// Each cycle says that more is left and that it is worth to come again, until nothing is.
#[tokio::test]
async fn run_ends_with_75_until_nothing_is_left_of_what_was_too_much_to_count() {
    let scene = large().await;
    let plan = scene.run_with(&["plan"], &LIMIT, "");
    assert_eq!(plan.code, 0, "{}", plan.transcript);
    assert!(
        plan.stdout
            .contains("left to the next cycle, uncounted: at most "),
        "{}",
        plan.stdout
    );
    let mut codes = Vec::new();
    while codes.last() != Some(&0) {
        let before = scene.count_rows().await;
        let ran = scene.run_with(&["--format=json", "run"], &LIMIT, "");
        let json: Value = serde_json::from_str(&ran.stdout).unwrap();
        let is_left = json["deferred"][0]["n_uncounted"].is_u64();
        assert_eq!(is_left, ran.code == 75, "{}", ran.transcript);
        assert_eq!(json["status"] == "deferred", is_left);
        assert!(scene.count_rows().await < before, "{}", ran.transcript);
        codes.push(ran.code);
        assert!(codes.len() < 40, "{codes:?}");
    }
    let (_, before) = codes.split_last().unwrap();
    assert!(
        before.len() > 1 && before.iter().all(|code| *code == 75),
        "{codes:?}"
    );
    assert_eq!(scene.count_rows().await, N_YOUNG);
}

#[tokio::test]
async fn a_person_reads_that_more_is_left() {
    let scene = large().await;
    let ran = scene.run_with(&["run"], &LIMIT, "");
    assert_eq!(ran.code, 75, "{}", ran.transcript);
    assert!(
        ran.stdout.ends_with("; more is left, uncounted\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("than can be counted at once"),
        "{}",
        ran.stderr
    );
}

/// A backfill goes on by itself.
#[tokio::test]
async fn a_backfill_of_what_is_too_much_to_count_ends_by_itself() {
    let scene = large().await;
    let arguments = ["backfill", "--workspace=w1", "--older-than=60d", "--yes"];
    let ran = scene.run_with(&arguments, &LIMIT, "");
    assert_eq!(ran.code, 0, "{}", ran.transcript);
    assert_eq!(scene.count_rows().await, N_YOUNG + 80_000);
}
