//! Holds and pauses as a person places, lists and ends them.

use serde_json::Value;

use super::scene::{N_OLD, N_YOUNG};
use super::{Scene, matches_snapshot};

#[tokio::test]
async fn holds_are_placed_listed_and_released() {
    let scene = Scene::new().await;
    let verbs: [&[&str]; 11] = [
        &["holds", "list"],
        &[
            "holds",
            "add",
            "--organization=acme",
            "--reason=audit of 2026",
        ],
        &[
            "holds",
            "add",
            "--workspace=w1",
            "--reason=case 4711",
            "--owner=legal",
            "--from=2026-01-01",
            "--until=2026-04-01",
        ],
        &[
            "holds",
            "add",
            "--workspace=w1",
            "--project=p 1",
            "--reason=-",
            "--until=2026-04-01T10:00:00Z",
        ],
        &[
            "holds",
            "add",
            "--workspace=--w",
            "--reason=a name like a flag",
            "--from=2026-04-01",
        ],
        &["holds", "list"],
        &["holds", "release", "2"],
        &["holds", "release", "2"],
        &["holds", "list"],
        &["holds", "list", "--history"],
        &["audit", "verify"],
    ];
    let transcript: String = verbs
        .iter()
        .map(|verb| scene.good(verb).transcript + "\n")
        .collect();
    matches_snapshot!("holds", transcript);
}

#[tokio::test]
async fn holds_that_nobody_can_mean_are_refused() {
    let scene = Scene::new().await;
    let mut transcript = String::new();
    let bad: [&[&str]; 9] = [
        &["holds", "add", "--workspace=w1"],
        &["holds", "add", "--reason=r"],
        &[
            "holds",
            "add",
            "--organization=o",
            "--workspace=w1",
            "--reason=r",
        ],
        &["holds", "add", "--project=p", "--reason=r"],
        &["holds", "add", "--workspace=w1", "--reason= "],
        &["holds", "add", "--workspace=w1", "--reason=r", "--owner="],
        &[
            "holds",
            "add",
            "--workspace=w1",
            "--reason=r",
            "--from=2026-04-01",
            "--until=2026-04-01",
        ],
        &[
            "holds",
            "add",
            "--workspace=w1",
            "--reason=r",
            "--until=April",
        ],
        &["holds", "release", "7"],
    ];
    for arguments in bad {
        transcript += &scene.refused(2, arguments).await.transcript;
        transcript.push('\n');
    }
    scene.targets("  - {table: traces, workspace: workspace_id, age: {uuid_v7: id}}\n");
    let project = [
        "holds",
        "add",
        "--workspace=w1",
        "--project=p",
        "--reason=r",
    ];
    transcript += &scene.refused(2, &project).await.transcript;
    assert_eq!(
        scene
            .good(&["holds", "list", "--history"])
            .stdout
            .lines()
            .count(),
        1
    );
    matches_snapshot!("holds_refused", transcript);
}

#[tokio::test]
async fn pauses_begin_and_end() {
    let scene = Scene::new().await;
    let verbs: [&[&str]; 13] = [
        &["pause", "list"],
        &["pause", "--all", "--reason=incident"],
        &["pause", "--all", "--reason=again"],
        &["pause", "--target=traces", "--reason=a new index"],
        &["pause", "--workspace=w 1", "--reason=they asked"],
        &["pause", "list"],
        &["resume", "--all"],
        &["resume", "--all"],
        &["resume", "--workspace=nobody"],
        &["resume", "--target=traces"],
        &["resume", "--workspace=w 1"],
        &["pause", "list", "--history"],
        &["audit", "verify"],
    ];
    let transcript: String = verbs
        .iter()
        .map(|verb| scene.good(verb).transcript + "\n")
        .collect();
    matches_snapshot!("pauses", transcript);
}

#[tokio::test]
async fn pauses_that_nobody_can_mean_are_refused() {
    let scene = Scene::new().await;
    let bad: [&[&str]; 8] = [
        &["pause"],
        &["pause", "--all"],
        &["pause", "--reason=r"],
        &["pause", "--all", "--target=traces", "--reason=r"],
        &["pause", "--all", "--reason="],
        &["pause", "--target=spans", "--reason=r"],
        &["resume"],
        &["resume", "--target=spans"],
    ];
    let mut transcript = String::new();
    for arguments in bad {
        transcript += &scene.refused(2, arguments).await.transcript;
        transcript.push('\n');
    }
    assert_eq!(
        scene.good(&["pause", "list", "--history"]).stdout,
        "nothing is paused\n"
    );
    matches_snapshot!("pauses_refused", transcript);
}

/// A target that is paused may leave the config, and still be resumed.
#[tokio::test]
async fn a_target_that_left_the_config_can_be_resumed() {
    let scene = Scene::new().await;
    scene.good(&["pause", "--target=traces", "--reason=r"]);
    scene.targets("  - {table: others, workspace: workspace_id, age: {uuid_v7: id}}\n");
    let resumed = scene.good(&["resume", "--target=traces"]);
    assert!(resumed.stdout.contains("has ended"), "{}", resumed.stdout);
    scene.refused(2, &["resume", "--target=traces"]).await;
}

/// A held row stays, its neighbours go; a paused table keeps everything; and both go when they may.
#[tokio::test]
async fn what_is_held_or_paused_stays() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d, approval: none}\n");
    scene.good(&["holds", "add", "--workspace=w1", "--reason=case 4711"]);
    let plan = scene.good(&["plan"]);
    assert!(plan.stdout.contains("hold 1"), "{}", plan.stdout);
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG + N_OLD / 3, "w1 is held");

    scene.good(&["holds", "release", "1"]);
    scene.good(&["pause", "--all", "--reason=incident"]);
    let paused = scene.run(&["run"]);
    assert_eq!(paused.code, 75, "{}", paused.transcript);
    let json: Value = serde_json::from_str(&scene.run(&["--format=json", "run"]).stdout).unwrap();
    assert!(json.is_object());
    assert_eq!(scene.count_rows().await, N_YOUNG + N_OLD / 3);
    scene.good(&["resume", "--all"]);
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    let transcript = [plan, paused].map(|o| o.transcript).join("\n");
    matches_snapshot!("holds_and_pauses_at_work", transcript);
}
