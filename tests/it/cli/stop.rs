//! Ctrl-C: the statement that runs is finished, verified and recorded; the next one is not sent.

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value;

use super::Scene;
use super::scene::{N_OLD, N_YOUNG};

#[tokio::test]
async fn a_signal_ends_a_cycle_after_the_statement_that_runs() {
    let scene = Scene::new().await;
    // One workspace a statement, and one statement a minute: the second waits for its turn.
    scene.retention("retention: {default: 60d}\nplan: {workspaces_per_statement: 1}\n");
    let mut command = scene.command(&["run"]);
    command.env("EBBTIDE_PACE__STATEMENTS_PER_MINUTE", "1");
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    said.by_ref()
        .map_while(Result::ok)
        .find(|line| line.starts_with("step 1/3"))
        .expect("it ended before its first step did");
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let ended = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(75), "{rest:?} {stdout}");
    assert!(
        rest.iter()
            .any(|line| line.contains("ends after the statement")),
        "{rest:?}"
    );
    assert!(stdout.contains("stopped"), "{stdout}");
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        (N_YOUNG + N_OLD / 3 * 2, 1)
    );

    let history = scene.good(&["--format=json", "history"]).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history[0]["status"], "stopped");
    let steps = history[0]["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["verdict"]), (1, &"verified".into()));

    // The lease was given back, and the next cycle goes on.
    scene.retention("retention: {default: 60d}\n");
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
}
