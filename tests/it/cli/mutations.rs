//! `ebbtide mutations`: ours are listed, and ended when asked for; others are left alone.

use super::Scene;
use crate::support::with_pace;

/// A delete of ours and an update of somebody else that both wait for merges.
async fn stuck() -> (Scene, String, String) {
    let scene = Scene::new().await;
    scene.execute("SYSTEM STOP MERGES traces").await;
    let ours = "DELETE FROM traces WHERE n = 1 AND 'ebbtide:retention:traces:01c0-ffee-7' != '' \
                SETTINGS lightweight_deletes_sync = 0";
    scene.execute(ours).await;
    let other = "ALTER TABLE traces UPDATE n = n + 1 WHERE n = 2 SETTINGS mutations_sync = 0";
    scene.execute(other).await;
    let id = async |like: &str| {
        let sql = format!(
            "SELECT mutation_id FROM system.mutations WHERE database = currentDatabase() \
             AND command LIKE '%{like}%'"
        );
        scene
            .client()
            .query(&sql)
            .fetch_one::<String>()
            .await
            .unwrap()
    };
    let (ours, other) = (id("ebbtide").await, id("n + 1").await);
    (scene, ours, other)
}

#[tokio::test]
async fn ours_are_listed_and_ended_and_others_are_not() {
    let (scene, ours, other) = stuck().await;
    let listed = scene.good(&["mutations", "--format=json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["id"], ours.as_str());
    assert_eq!(listed[0]["table"], "traces");
    assert_eq!(listed[0]["cycle"], "01c0-ffee");
    assert_eq!(listed[0]["step"], "7");
    assert!(listed[0]["parts_to_do"].as_u64().unwrap() > 0, "{listed}");
    assert_eq!(listed[0]["is_stalled"], false);
    let text = scene.good(&["mutations"]).stdout;
    assert!(
        text.contains(&ours) && text.contains("01c0-ffee, step 7"),
        "{text}"
    );
    assert!(!text.contains(&other), "{text}");

    let refused = scene.run(&["mutations", "--kill", &other, "--yes"]);
    assert_eq!(refused.code, 3, "{}", refused.transcript);
    assert!(refused.stderr.contains("is not ours"), "{}", refused.stderr);
    let unknown = scene.run(&["mutations", "--kill", "mutation_9999.txt", "--yes"]);
    assert_eq!(unknown.code, 2, "{}", unknown.transcript);
    let unsure = scene.run(&["mutations", "--kill", &ours]);
    assert_eq!(unsure.code, 2, "{}", unsure.transcript);
    assert!(unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    let unfinished =
        "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done";
    assert_eq!(scene.count(unfinished).await, 2, "nothing was ended");

    let killed = scene.good(&["mutations", "--kill", &ours, "--yes"]);
    assert!(
        killed.stdout.contains("part of its rows may be gone"),
        "{}",
        killed.stdout
    );
    let none = scene.good(&["mutations"]).stdout;
    assert_eq!(
        none.trim(),
        "ClickHouse works on no delete of ours, and on no rewrite"
    );
    assert_eq!(scene.count(unfinished).await, 1, "that of somebody else");
    let record = scene.good(&["audit", "export"]).stdout;
    let entries: Vec<&str> = record
        .lines()
        .filter(|line| line.contains("mutation_killed"))
        .collect();
    assert_eq!(entries.len(), 1, "{record}");
    assert!(
        entries[0].contains(&ours) && entries[0].contains("tester"),
        "{record}"
    );
    scene.good(&["audit", "verify"]);
    scene.execute("SYSTEM START MERGES traces").await;
}

#[tokio::test]
async fn a_rewrite_of_a_target_is_listed_and_ended_whoever_sent_it() {
    let scene = Scene::new().await;
    scene.execute("DELETE FROM traces WHERE n = 1").await;
    scene.execute("SYSTEM STOP MERGES traces").await;
    let more = "ALTER TABLE traces UPDATE n = n + 1 WHERE n = 2, APPLY DELETED MASK \
                SETTINGS mutations_sync = 0";
    scene.execute(more).await;
    let listed = || {
        let listed = scene.good(&["mutations", "--format=json"]).stdout;
        serde_json::from_str::<serde_json::Value>(&listed).unwrap()
    };
    let with_more = listed();
    assert_eq!(with_more[0]["is_rewrite"], true, "{with_more}");
    // It does more than to free the disk, and that is somebody else's.
    let id = with_more[0]["id"].as_str().unwrap();
    let refused = scene.run(&["mutations", "--kill", id, "--yes"]);
    assert_eq!(refused.code, 2, "{}", refused.transcript);
    let unfinished = "SELECT uniq(mutation_id) FROM system.mutations WHERE database = currentDatabase() \
                      AND NOT is_done";
    assert_eq!(scene.count(unfinished).await, 1, "it was not ended");
    scene
        .execute("ALTER TABLE traces APPLY DELETED MASK IN PARTITION ID 'all' SETTINGS mutations_sync = 0")
        .await;
    let both = listed();
    assert_eq!(both.as_array().unwrap().len(), 2, "{both}");
    assert_eq!(both[1]["cycle"], serde_json::Value::Null);
    let id = both[1]["id"].as_str().unwrap();
    let text = scene.good(&["mutations"]).stdout;
    assert!(
        text.contains(id) && text.contains("frees the disk"),
        "{text}"
    );
    let killed = scene.good(&["mutations", "--kill", id, "--yes"]).stdout;
    assert!(killed.contains("nothing is lost"), "{killed}");
    assert_eq!(listed().as_array().unwrap().len(), 1);
    assert_eq!(scene.count(unfinished).await, 1, "that of somebody else");
    scene.good(&["audit", "verify"]);
    scene.execute("SYSTEM START MERGES traces").await;
}

#[tokio::test]
async fn outside_of_the_window_a_run_says_when_it_opens() {
    let scene = Scene::new().await;
    let hour = |ahead: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(ahead);
        at.strftime("%H:00").to_string()
    };
    let window = format!("{}-{}", hour(3), hour(5));
    let text = format!(
        "{}retention: {{approval: none, default: 60d}}\ntargets: \
         [{{table: traces, workspace: workspace_id, project: project_id, age: {{uuid_v7: id}}}}]\n",
        with_pace(&scene.head(), &format!("window: \"{window}\""))
    );
    scene.write("config.yml", &text);
    let outcome = scene.refused(75, &["run"]).await;
    assert!(
        outcome
            .stderr
            .contains(&format!("pace.window {window} (UTC); it opens at")),
        "{}",
        outcome.stderr
    );
}
