//! `--format json`: stdout is one JSON value and nothing else, for every verb.

use serde_json::Value;

use super::Scene;

fn parse(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}:\n{stdout}"))
}

#[tokio::test]
async fn every_verb_answers_in_json() {
    let scene = Scene::without_ledger().await;
    scene.retention("retention: {default: 60d}\n");
    scene.write(
        "rules.yml",
        "- {workspace: w1, retention: 30d}\n- {organization: o, retention: 9d}\n",
    );
    scene.write("workspaces.csv", "workspace,organization\nw2,o\n");
    let verbs: [&[&str]; 38] = [
        &["migrate"],
        &["validate"],
        &["doctor"],
        &["rules", "list"],
        &["rules", "add", "--workspace=w0", "--retention=unlimited"],
        &["rules", "import", "--dry-run", "rules.yml"],
        &["rules", "import", "rules.yml"],
        &["rules", "list", "--history"],
        &["rules", "show", "1"],
        &["rules", "export"],
        &["rules", "deactivate", "1"],
        &["workspaces", "add", "--workspace=w1", "--organization=o"],
        &["workspaces", "import", "workspaces.csv"],
        &["workspaces", "list"],
        &["explain", "--workspace=w1", "--row-time=2020-01-01"],
        &["explain", "--workspace=w1", "--project=p1"],
        &["rules", "preview", "--workspace=w1", "--retention=9d"],
        &["rules", "preview", "--workspace=w1", "--deactivate"],
        &["holds", "add", "--workspace=w2", "--reason=case"],
        &["holds", "list"],
        &["holds", "release", "1"],
        &["pause", "--workspace=w2", "--reason=incident"],
        &["pause", "list"],
        &["resume", "--workspace=w2"],
        &["plan"],
        &["plan", "--sql"],
        &["plan", "--out=plan.json"],
        &["apply", "plan.json"],
        &["run"],
        &["run"],
        &["backfill", "--workspace=w2", "--older-than=1d", "--dry-run"],
        &["backfill", "--workspace=w2", "--older-than=1d", "--yes"],
        &["status"],
        &["history"],
        &["history", "--limit=1"],
        &["history", "--table=traces"],
        &["audit", "verify"],
        &["completions", "bash"],
    ];
    for verb in verbs {
        let outcome = scene.good(&[&["--format", "json"], verb].concat());
        parse(&outcome.stdout);
    }
    assert!(scene.count_rows().await < 100, "the cycle was a real one");
}

/// An error is JSON, too: on stderr, with the code that the process ends with.
#[tokio::test]
async fn errors_are_json_on_stderr() {
    let scene = Scene::without_ledger().await;
    for (code, arguments) in [
        (2, ["--format=json", "-c", "none.yml", "run"]),
        (2, ["--format=json", "-c", "config.yml", "plan"]),
    ] {
        let outcome = scene.refused(code, &arguments).await;
        let error = parse(&outcome.stderr);
        assert_eq!(error["exit_code"], code);
        assert!(!error["error"].as_str().unwrap().is_empty());
    }
}
