//! `backfill`: exactly what was asked for goes, and every guard but the approval holds.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use ebbtide::{CYCLE_LEASE, LeaseAttempt, connect_ledger};
use serde_json::Value;

use super::scene::{N_OLD, N_YOUNG};
use super::{Scene, matches_snapshot};

/// Nothing was ever approved, and no rule deletes anything.
const REQUIRED: &str = "retention: {default: unlimited, approval: required}\n";

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.retention(REQUIRED);
    scene
}

/// All three workspaces are of one organization.
async fn acme() -> Scene {
    let scene = scene().await;
    scene.write(
        "acme.csv",
        "workspace,organization\nw0,acme\nw1,acme\nw2,acme\n",
    );
    scene.good(&["workspaces", "import", "acme.csv"]);
    scene
}

/// Old rows that are left: all, and those of the scope.
async fn old(scene: &Scene, scope: &str) -> (u64, u64) {
    let old = "FROM traces WHERE UUIDv7ToDateTime(toUUID(id)) < now() - toIntervalDay(60)";
    let all = scene.count(&format!("SELECT count() {old}")).await;
    let of_scope = format!("SELECT count() {old} AND {scope}");
    (all, scene.count(&of_scope).await)
}

#[tokio::test]
async fn exactly_the_old_rows_of_the_scope_go_whatever_the_rules_say() {
    let scopes: [(&[&str], &str, u64); 3] = [
        (&["--workspace=w1"], "workspace_id = 'w1'", 10),
        (
            &["--workspace=w1", "--project=p0"],
            "workspace_id = 'w1' AND project_id = 'p0'",
            5,
        ),
        (&["--organization=acme"], "workspace_id IN ('w0', 'w2')", 20),
    ];
    for (arguments, scope, n_rows) in scopes {
        let scene = scene().await;
        scene.write("acme.csv", "workspace,organization\nw0,acme\nw2,acme\n");
        scene.good(&["workspaces", "import", "acme.csv"]);
        for workspace in ["w0", "w1"] {
            let workspace = format!("--workspace={workspace}");
            scene.good(&["rules", "add", &workspace, "--retention=unlimited"]);
        }
        // Younger than what is asked for, if by little.
        scene.fill("traces", 59, 30).await;
        assert_eq!(old(&scene, scope).await, (N_OLD, n_rows));
        let run = [&["backfill", "--older-than=60d", "--yes"], arguments].concat();
        let done = scene.good(&run);
        assert_eq!(
            old(&scene, scope).await,
            (N_OLD - n_rows, 0),
            "{}",
            done.transcript
        );
        assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG + 30 - n_rows);
        // Again: nothing is due, and nothing is sent.
        let again = scene.good(&run);
        assert!(again.stdout.contains("nothing was due"), "{}", again.stdout);
        assert_eq!(scene.n_mutations().await, 1);
        assert!(scene.good(&["audit", "verify"]).stdout.contains("unbroken"));
    }
}

#[tokio::test]
async fn it_shows_what_would_go_and_deletes_nothing() {
    let scene = scene().await;
    let looked = scene.good(&[
        "backfill",
        "--workspace=w1",
        "--older-than=60d",
        "--dry-run",
    ]);
    scene.untouched(N_OLD + N_YOUNG).await;
    let done = scene.good(&["backfill", "--workspace=w1", "--older-than=60d", "--yes"]);
    let history = scene.good(&["history", "--limit=1"]);
    let in_full = scene
        .good(&["--format=json", "history", "--limit=1"])
        .stdout;
    let in_full: Value = serde_json::from_str(&in_full).unwrap();
    let cycle = &in_full[0];
    assert_eq!(
        (
            &cycle["kind"],
            &cycle["asked"]["by"],
            &cycle["asked"]["workspace"]
        ),
        (&"backfill".into(), &"tester".into(), &"w1".into())
    );
    assert_eq!(cycle["steps"][0]["bounds"][0]["retention"], "60d");
    // For programs, each step is a line with how far it is.
    let json = [
        "--format=json",
        "backfill",
        "--workspace=w2",
        "--older-than=60d",
        "--yes",
    ];
    let json = scene.good(&json);
    let result: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&result["backfill"]["older_than"], &result["status"]),
        (&"60d".into(), &"done".into())
    );
    let line: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(
        (
            &line["step"],
            &line["progress"]["rows_done"],
            &line["progress"]["rows_left"]
        ),
        (&1.into(), &10.into(), &0.into())
    );
    let record = scene.good(&["audit", "export"]).stdout;
    let asked = r#"{\"by\":\"tester\",\"workspace\":\"w1\",\"older_than\":\"60d\"}"#;
    assert!(record.contains(asked), "{record}");
    let transcript = [looked, done, history].map(|outcome| outcome.transcript);
    matches_snapshot!("backfill", transcript.join("\n"));
}

/// What a person asked for is part of the record: nobody changes it unnoticed.
#[tokio::test]
async fn what_was_asked_for_cannot_be_changed_unnoticed() {
    let scene = scene().await;
    scene.good(&["backfill", "--workspace=w1", "--older-than=60d", "--yes"]);
    let ledger = rusqlite::Connection::open(scene.path().join("ebbtide.db")).unwrap();
    for edit in ["replace(asked, 'tester', 'nobody')", "NULL", "'?'"] {
        let before: String = ledger
            .query_row("SELECT asked FROM cycles", [], |row| row.get(0))
            .unwrap();
        let sql = format!("UPDATE cycles SET asked = {edit}");
        assert_eq!(ledger.execute(&sql, []).unwrap(), 1);
        let found = scene.run(&["audit", "verify"]);
        assert_eq!(found.code, 1, "{}", found.transcript);
        assert_eq!(scene.run(&["history"]).code, 0, "it is shown as it is");
        ledger
            .execute("UPDATE cycles SET asked = ?", [before])
            .unwrap();
    }
    scene.good(&["audit", "verify"]);
}

#[tokio::test]
async fn holds_and_pauses_are_respected() {
    let scene = acme().await;
    scene.good(&["holds", "add", "--workspace=w0", "--reason=case"]);
    scene.good(&["pause", "--workspace=w1", "--reason=incident"]);
    let arguments = [
        "backfill",
        "--organization=acme",
        "--older-than=60d",
        "--yes",
    ];
    let paused = scene.run(&arguments);
    assert_eq!(paused.code, 75, "{}", paused.transcript);
    assert!(paused.stdout.contains("held: 10 rows"), "{}", paused.stdout);
    assert!(
        paused.stdout.contains("paused: 10 rows"),
        "{}",
        paused.stdout
    );
    assert_eq!(old(&scene, "workspace_id = 'w2'").await, (20, 0));
    scene.good(&["resume", "--workspace=w1"]);
    // A hold is not waited for.
    scene.good(&arguments);
    assert_eq!(old(&scene, "workspace_id = 'w0'").await, (10, 10));
    scene.good(&["pause", "--all", "--reason=incident"]);
    scene.good(&["holds", "release", "1"]);
    assert_eq!(scene.run(&arguments).code, 75);
    assert_eq!(old(&scene, "workspace_id = 'w0'").await, (10, 10));
}

#[tokio::test]
async fn what_another_table_refers_to_stays() {
    let scene = scene().await;
    scene
        .execute("CREATE TABLE items (workspace_id String, trace_id String) ENGINE = MergeTree ORDER BY workspace_id")
        .await;
    scene
        .execute("INSERT INTO items SELECT workspace_id, id FROM traces WHERE n IN (1, 4)")
        .await;
    let keep = "targets:\n  - {table: traces, workspace: workspace_id, project: project_id, age: {uuid_v7: id}, keep: [{column: id, in_table: items, in_column: trace_id, in_workspace: workspace_id}]}\n";
    scene.configure(REQUIRED, keep);
    scene.good(&["backfill", "--workspace=w1", "--older-than=60d", "--yes"]);
    assert_eq!(
        old(&scene, "workspace_id = 'w1' AND n IN (1, 4)").await,
        (22, 2)
    );
}

#[tokio::test]
async fn only_the_named_tables_are_worked_on() {
    let scene = scene().await;
    scene.execute("CREATE TABLE spans AS traces").await;
    scene
        .execute("INSERT INTO spans SELECT * FROM traces")
        .await;
    let target = |table| {
        format!(
            "  - {{table: {table}, workspace: workspace_id, project: project_id, age: {{uuid_v7: id}}}}\n"
        )
    };
    let targets = format!("targets:\n{}{}", target("spans"), target("traces"));
    scene.configure(REQUIRED, &targets);
    let n_spans = async || scene.count("SELECT count() FROM spans").await;
    let spans = [
        "backfill",
        "--workspace=w1",
        "--older-than=60d",
        "--target=spans",
        "--yes",
    ];
    scene.good(&spans);
    assert_eq!(
        (n_spans().await, scene.count_rows().await),
        (N_OLD + N_YOUNG - 10, N_OLD + N_YOUNG)
    );
    // What the ledger knows of the targets is as it was: no rule waits for it.
    scene.good(&["backfill", "--workspace=w0", "--older-than=60d", "--yes"]);
    let record = scene.good(&["audit", "export"]).stdout;
    assert_eq!(record.matches("\"settings_noted\"").count(), 1, "{record}");
    assert_eq!(
        (n_spans().await, scene.count_rows().await),
        (N_OLD + N_YOUNG - 20, N_OLD + N_YOUNG - 10)
    );
}

#[tokio::test]
async fn what_makes_no_sense_or_goes_too_far_is_refused() {
    let scene = acme().await;
    scene.retention(
        "retention: {default: unlimited, approval: required, floor: 7d, periods: {year: 365d}}\n",
    );
    let mut transcript = String::new();
    let cases: [(i32, &[&str]); 12] = [
        (2, &["--workspace=w1", "--yes"]),
        (2, &["--older-than=60d", "--yes"]),
        (2, &["--workspace=w1", "--older-than=nonsense", "--yes"]),
        (2, &["--workspace=w1", "--older-than=0d", "--yes"]),
        (2, &["--workspace=w1", "--older-than=-3d", "--yes"]),
        (2, &["--workspace=w1", "--older-than=unlimited", "--yes"]),
        (2, &["--project=p1", "--older-than=60d", "--yes"]),
        (2, &["--organization=globex", "--older-than=60d", "--yes"]),
        (
            2,
            &[
                "--workspace=w1",
                "--older-than=60d",
                "--target=other",
                "--yes",
            ],
        ),
        (
            2,
            &["--workspace=w1", "--older-than=60d", "--dry-run", "--yes"],
        ),
        // Nobody can be asked.
        (2, &["--workspace=w1", "--older-than=60d"]),
        (3, &["--workspace=w1", "--older-than=6d", "--yes"]),
    ];
    for (code, arguments) in cases {
        let outcome = scene
            .refused(code, &[&["backfill"], arguments].concat())
            .await;
        transcript += &format!("{}\n", outcome.transcript);
    }
    scene.targets("  - {table: traces, workspace: workspace_id, age: {uuid_v7: id}}\n");
    let project = [
        "backfill",
        "--workspace=w1",
        "--project=p1",
        "--older-than=60d",
        "--yes",
    ];
    transcript += &scene.refused(2, &project).await.transcript;
    matches_snapshot!("backfill_refused", transcript);
    let json = [
        "--format=json",
        "backfill",
        "--workspace=w1",
        "--older-than=6d",
        "--yes",
    ];
    scene.retention("retention: {default: unlimited, floor: 7d, periods: {year: 365d}}\n");
    let json = scene.run(&json);
    assert_eq!(json.code, 3, "{}", json.transcript);
    let refused: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(refused["refusals"][0]["guard"], "too_young");
    scene.untouched(N_OLD + N_YOUNG).await;
    scene.good(&["backfill", "--workspace=w1", "--older-than=year", "--yes"]);
    scene.untouched(N_OLD + N_YOUNG).await;
}

#[tokio::test]
async fn the_share_of_a_table_is_respected_and_cycles_add_up() {
    let scene = acme().await;
    scene.retention("retention: {default: unlimited, max_share_of_table: 0.15}\n");
    let one = |workspace: &str| format!("--workspace={workspace}");
    scene.good(&["backfill", &one("w0"), "--older-than=60d", "--yes"]);
    let arguments = ["backfill", &one("w1"), "--older-than=60d", "--yes"];
    let refused = scene.run(&arguments);
    assert_eq!(refused.code, 3, "{}", refused.transcript);
    assert!(
        refused.stderr.contains("max_share_of_table"),
        "{}",
        refused.stderr
    );
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG - 10);
    scene.good(&[&arguments[..], &["--max-share-of-table=0.5"]].concat());
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG - 20);
}

/// On a terminal, with an answer; returns how it ended and what was shown.
fn on_a_terminal(scene: &Scene, arguments: &str, answer: &str) -> (Option<i32>, String) {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_ebbtide"));
    let mut child = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .current_dir(scene.path())
        .env("EBBTIDE_TEST_PASSWORD", scene.database.password())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` of util-linux makes terminals");
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{answer}").unwrap();
    let ended = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
    (ended.status.code(), shown)
}

#[tokio::test]
async fn a_person_is_asked_with_the_counts_in_view() {
    let scene = scene().await;
    let arguments = "backfill --workspace=w1 --older-than=60d";
    for no in ["n", "", "maybe", "yes please"] {
        let (code, shown) = on_a_terminal(&scene, arguments, no);
        assert_eq!(code, Some(3), "{shown}");
        assert!(shown.contains("Delete 10 rows for ever"), "{shown}");
        scene.untouched(N_OLD + N_YOUNG).await;
    }
    let (code, shown) = on_a_terminal(&scene, arguments, "y");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("0 of 10 rows"),
        "a bar says how far it is: {shown}"
    );
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG - 10);
    // Nothing is due, so nobody is asked.
    let (code, shown) = on_a_terminal(&scene, arguments, "");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("nothing is due") && !shown.contains("[y/N]"),
        "{shown}"
    );
}

#[tokio::test]
async fn whoever_is_at_work_is_not_disturbed() {
    let scene = scene().await;
    let url = format!("sqlite://{}", scene.path().join("ebbtide.db").display());
    let ledger = connect_ledger(&url, None).await.unwrap();
    let length = Duration::from_mins(5);
    let asked = ledger.acquire_lease(CYCLE_LEASE, "another", length).await;
    let LeaseAttempt::Held(lease) = asked.unwrap() else {
        panic!("the lease is free");
    };
    let arguments = ["backfill", "--workspace=w1", "--older-than=60d", "--yes"];
    let busy = scene.refused(75, &arguments).await;
    assert!(
        busy.stderr.contains("another is at work"),
        "{}",
        busy.stderr
    );
    ledger.release_lease(&lease).await.unwrap();
    scene.good(&arguments);
    assert!(ledger.leases().await.unwrap().is_empty(), "given back");
}

#[tokio::test]
async fn a_signal_ends_it_after_the_statement_and_the_same_command_goes_on() {
    let scene = acme().await;
    // One workspace a statement, and one statement a minute: the second waits for its turn.
    scene.retention(&format!(
        "{REQUIRED}plan: {{workspaces_per_statement: 1}}\n"
    ));
    let arguments = [
        "backfill",
        "--organization=acme",
        "--older-than=60d",
        "--yes",
    ];
    let mut command = scene.command(&arguments);
    command.env("EBBTIDE_PACE__STATEMENTS_PER_MINUTE", "1");
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    said.by_ref()
        .map_while(Result::ok)
        .find(|line| line.starts_with("step 1/3"))
        .expect("it ended before its first step did");
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(75), "{rest:?}");
    let says_how = |line: &String| line.contains("the same command goes on");
    assert!(rest.iter().any(says_how), "{rest:?}");
    assert_eq!(old(&scene, "1").await, (N_OLD - 10, N_OLD - 10));
    scene.retention(REQUIRED);
    scene.good(&arguments);
    assert_eq!(old(&scene, "1").await, (0, 0));
    assert_eq!(scene.count_rows().await, N_YOUNG);
    let history = scene.good(&["--format=json", "history"]).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (&history[0]["status"], &history[1]["status"]),
        (&"done".into(), &"stopped".into())
    );
    scene.good(&["audit", "verify"]);
}
