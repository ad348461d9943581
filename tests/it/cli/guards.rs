//! Guards, and cycles that have nothing to do.

use super::scene::{N_OLD, N_YOUNG};
use super::{Scene, matches_snapshot};

#[tokio::test]
async fn a_plan_that_would_take_too_much_is_refused() {
    let scene = Scene::new().await;
    scene.fill("traces", 200, 200).await;
    scene.retention("retention: {default: 60d}\n");
    let run = scene.refused(3, &["run"]).await;
    let plan = scene.run(&["plan"]);
    assert_eq!(plan.code, 3, "{}", plan.transcript);
    let json = scene.run(&["--format=json", "run"]);
    assert_eq!(json.code, 3, "{}", json.transcript);
    let refusal: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(refusal["refusals"][0]["guard"], "share");
    scene
        .refused(3, &["run", "--max-share-of-table", "0.7"])
        .await;
    scene.untouched(N_OLD + N_YOUNG + 200).await;

    let allowed = scene.good(&["run", "--max-share-of-table", "0.77"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    assert_eq!(scene.n_mutations().await, 1);
    let transcript = [run, plan, allowed].map(|outcome| outcome.transcript);
    matches_snapshot!("guards_share_of_table", transcript.join("\n"));
}

#[tokio::test]
async fn a_share_that_is_none_is_a_usage_error() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d}\n");
    for share in ["0", "1.1", "-1", "half", "NaN", ""] {
        scene
            .refused(2, &["run", &format!("--max-share-of-table={share}")])
            .await;
    }
}

/// Nothing due: no statement, exit code 0, and the second cycle is as quiet as the first.
#[tokio::test]
async fn nothing_due_sends_nothing() {
    let scene = Scene::new().await;
    let nothing = scene.good(&["run"]);
    assert_eq!(scene.n_mutations().await, 0);
    scene.retention("retention: {default: 60d}\n");
    let something = scene.good(&["run"]);
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        (N_YOUNG, 1)
    );
    let again = scene.good(&["run"]);
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        (N_YOUNG, 1)
    );
    let transcript = [nothing, something, again].map(|outcome| outcome.transcript);
    matches_snapshot!("guards_nothing_due", transcript.join("\n"));
}

/// `plan` only reads, whatever it is asked.
#[tokio::test]
async fn a_plan_changes_nothing() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d}\n");
    let plan = scene.good(&["plan", "--sql", "--out", "plan.json"]);
    scene.untouched(N_OLD + N_YOUNG).await;
    let written = std::fs::read_to_string(scene.path().join("plan.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written["steps"][0]["n_due"], N_OLD);
    assert!(written["statements"][0]["sql"].is_string());
    // As of a day on which nothing was old enough, and one on which everything will be.
    let early = scene.good(&["plan", "--as-of", "2000-01-01"]);
    assert!(early.stdout.contains("nothing is due"), "{}", early.stdout);
    let late = scene.run(&["plan", "--as-of", "2199-01-01T00:00:00Z"]);
    assert_eq!(late.code, 3, "{}", late.transcript);
    for bad in ["tomorrow", "2026-13-01", "2026-11-21 10:00", "", "1e9"] {
        scene.refused(2, &["plan", &format!("--as-of={bad}")]).await;
    }
    scene.untouched(N_OLD + N_YOUNG).await;
    matches_snapshot!("guards_plan", plan.transcript);
}
