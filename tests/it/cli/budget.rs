//! More is due than one cycle may do.

use serde_json::Value;

use super::Scene;
use super::scene::{N_OLD, N_YOUNG};

/// Each cycle says how much is left and that it is worth to come again, until nothing is.
#[tokio::test]
async fn run_ends_with_75_until_nothing_is_left() {
    let scene = Scene::new().await;
    let budget = "budget: {rows: 10, statements: 9, time: 10m}";
    scene.retention(&format!(
        "retention: {{default: 60d, approval: none, {budget}}}\n"
    ));
    let plan = scene.good(&["plan"]);
    assert!(
        plan.stdout
            .contains("left to the next cycle: 20 rows of traces"),
        "{}",
        plan.stdout
    );
    let first = scene.run(&["run"]);
    assert_eq!(first.code, 75, "{}", first.transcript);
    assert!(
        first.stdout.ends_with("; 20 rows left\n"),
        "{}",
        first.stdout
    );
    assert!(
        first.stderr.contains("retention.budget is used up"),
        "{}",
        first.stderr
    );
    let second = scene.run(&["--format=json", "run"]);
    assert_eq!(second.code, 75, "{}", second.transcript);
    let json: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(json["status"], "deferred");
    assert_eq!(json["deferred"][0]["n_rows"], 10);
    assert_eq!(json["deferred"][0]["n_workspaces"], 1);
    assert_eq!(scene.count_rows().await, N_YOUNG + N_OLD / 3);
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
}
