//! `ebbtide quarantine` and `ebbtide undo`, with no more grants than are asked for.

use std::time::Duration;

use ebbtide::{CYCLE_LEASE, Embedded, EmbeddedUser, LeaseAttempt, connect_ledger};
use serde_json::Value;

use super::Scene;
use crate::support::{embedded_options, wait_until, with_system_grants};

const PASSWORD: &str = "few may, many know";
const OLD: &str = "SELECT count() FROM traces WHERE at < now() - toIntervalDay(100)";

/// A user that may do what the configuration's documentation says, and no more.
fn user() -> EmbeddedUser {
    let of_tables = [
        "GRANT SELECT, ALTER DELETE, INSERT ON default.traces",
        "GRANT SELECT, INSERT, ALTER DELETE, CREATE TABLE, DROP TABLE ON default._ebbtide_quarantine_*",
        "GRANT TABLE ENGINE ON MergeTree",
    ];
    EmbeddedUser {
        name: "keeper".into(),
        password: PASSWORD.into(),
        grants: with_system_grants(&of_tables),
        profile_xml: String::new(),
        databases_xml: String::new(),
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_partition_is_listed_and_comes_back_when_asked_for() {
    let mut options = embedded_options();
    options.users = vec![user()];
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    let create = "CREATE TABLE default.traces (w String, at DateTime('UTC')) ENGINE = MergeTree \
                  PARTITION BY toYYYYMM(at) ORDER BY (w, at)";
    let fill =
        "INSERT INTO default.traces SELECT 'w', now() - toIntervalDay(number) FROM numbers(200)";
    let day = "INSERT INTO default.traces SELECT 'w', now() FROM numbers(100)";
    for sql in [create, fill, day] {
        scene.execute(sql).await;
    }
    let head = scene
        .head()
        .replace("user: default", "user: keeper")
        .replace(scene.database.name(), "default")
        .replace(
            "password_env: EBBTIDE_TEST_PASSWORD",
            "password_file: secret",
        );
    scene.write("secret", PASSWORD);
    let config = format!(
        "{head}retention: {{approval: none, default: 60d, max_share_of_table: 0.9}}\n\
         targets: [{{table: traces, workspace: w, age: {{time: at}}, quarantine: {{for: 7d}}}}]\n"
    );
    scene.write("config.yml", &config);
    let old = OLD.replace("traces", "default.traces");
    assert!(scene.count(&old).await > 90);
    let nothing = scene.good(&["quarantine"]);
    assert_eq!(nothing.stdout, "nothing is in quarantine\n");
    scene.good(&["run"]);
    assert_eq!(scene.count(&old).await, 0);

    // The doctor knows what these tables are.
    let findings = scene.run(&["doctor", "--format=json"]).stdout;
    assert!(!findings.contains("unlisted-table"), "{findings}");

    let listed = json(&scene.good(&["quarantine", "--format=json"]).stdout);
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= 3, "{listed:#?}");
    assert!(
        listed.iter().all(|one| one["state"] == "kept"),
        "{listed:#?}"
    );
    let partition = listed[0]["partition"].as_str().unwrap();
    let text = scene.good(&["quarantine", "--table", "traces"]).stdout;
    assert!(text.contains(partition) && text.contains("kept"), "{text}");

    let one = ["undo", "--table", "traces", "--partition", partition];
    let unsure = scene.run(&one);
    assert_eq!(unsure.code, 2, "{}", unsure.transcript);
    assert!(unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    let shown = scene.good(&[&one[..], &["--dry-run"]].concat()).stdout;
    assert!(shown.contains(partition), "{shown}");
    assert_eq!(scene.count(&old).await, 0, "nothing came back");

    let done = scene.good(&[&one[..], &["--yes", "--format=json"]].concat());
    let done = json(&done.stdout);
    assert_eq!(done[0]["n_rows"], listed[0]["n_rows"], "{done}");
    let cycle = listed[1]["cycle"].as_str().unwrap();

    // Another instance is at work: the table is paused at once, and the undo waits its turn.
    scene.good(&["resume", "--target", "traces"]);
    let url = format!("sqlite://{}", scene.path().join("ebbtide.db").display());
    let ledger = connect_ledger(&url, None).await.unwrap();
    let length = Duration::from_mins(5);
    let attempt = ledger.acquire_lease(CYCLE_LEASE, "another", length).await;
    let LeaseAttempt::Held(lease) = attempt.unwrap() else {
        panic!("the lease is free");
    };
    let before = scene.count(&old).await;
    let undo = ["undo", "--cycle", cycle, "--yes"];
    let mut waiting = scene.command(&undo).spawn().unwrap();
    wait_until("the table to be paused", || {
        scene.good(&["pause", "list"]).stdout.contains("traces")
    });
    assert_eq!(waiting.try_wait().unwrap(), None);
    assert_eq!(scene.count(&old).await, before);
    ledger.release_lease(&lease).await.unwrap();
    let rest = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(rest.stderr).unwrap();
    assert!(rest.status.success(), "{said}");
    let done = String::from_utf8(rest.stdout).unwrap();
    assert!(done.contains("are back"), "{done}");
    assert!(said.contains("ebbtide resume --target traces"), "{said}");
    assert!(scene.count(&old).await > 90);
    let tables = "SELECT count() FROM system.tables WHERE name LIKE '%ebbtide_quarantine%'";
    assert_eq!(scene.count(tables).await, 0);
    let gone = scene.run(&["undo", "--cycle", cycle, "--yes"]);
    assert_eq!(gone.code, 2, "{}", gone.transcript);
    let history = json(
        &scene
            .good(&["quarantine", "--history", "--format=json"])
            .stdout,
    );
    let is_back = |one: &Value| one["state"] == "undone";
    assert!(history.as_array().unwrap().iter().all(is_back), "{history}");
    scene.good(&["audit", "verify"]);
    scene.execute("DROP TABLE default.traces SYNC").await;
    drop(scene);
    drop(server);
}

/// What was dropped does not come back, and both verbs say so.
#[tokio::test]
async fn a_drop_and_a_move_are_told_apart() {
    let scene = Scene::new().await;
    scene.execute("DROP TABLE traces SYNC").await;
    for sql in [
        "CREATE TABLE traces (w String, at DateTime('UTC')) ENGINE = MergeTree \
         PARTITION BY toYYYYMM(at) ORDER BY (w, at)",
        "INSERT INTO traces SELECT 'w', now() - toIntervalDay(number) FROM numbers(400)",
    ] {
        scene.execute(sql).await;
    }
    let mut cycles = Vec::new();
    for (default, more, effect) in [
        ("200d", "", "drop"),
        ("60d", ", quarantine: {for: 7d}", "move"),
    ] {
        let retention = format!("retention: {{default: {default}, max_share_of_table: 0.9}}\n");
        let target =
            format!("targets: [{{table: traces, workspace: w, age: {{time: at}}{more}}}]\n");
        scene.configure(&retention, &target);
        scene.good(&["run"]);
        let text = scene.good(&["history", "--limit", "1"]).stdout;
        assert!(text.contains(&format!("{effect} whole")), "{text}");
        let history = json(
            &scene
                .good(&["history", "--limit", "1", "--format=json"])
                .stdout,
        );
        let steps = history[0]["steps"].as_array().unwrap();
        let of = |step: &Value| (step["method"].clone(), step["effect"].clone());
        assert_eq!(of(&steps[0]), ("partition".into(), effect.into()));
        // The rest of a month is masked.
        assert_eq!(of(&steps[1]), ("lightweight".into(), "mask".into()));
        cycles.push(history[0]["cycle"].as_str().unwrap().to_owned());
    }
    let in_full = scene.good(&["history", "--cycle", &cycles[0]]).stdout;
    assert!(
        in_full.contains("what is expired for everybody"),
        "{in_full}"
    );
    let undo = |cycle: &str| scene.run(&["undo", "--cycle", cycle, "--yes"]);
    let dropped = undo(&cycles[0]);
    assert_eq!(dropped.code, 2, "{}", dropped.transcript);
    assert!(
        dropped.stderr.contains("it dropped them"),
        "{}",
        dropped.stderr
    );
    assert_eq!(undo(&cycles[1]).code, 0);
    let again = undo(&cycles[1]);
    assert!(again.stderr.contains("was undone at"), "{}", again.stderr);
    let unknown = undo("none").stderr;
    assert!(unknown.contains("is in quarantine; `ebbtide"), "{unknown}");
}

/// What the ledger does not know hides rows for ever, unless somebody hears of it.
#[tokio::test]
async fn what_a_lost_ledger_knew_is_named_and_comes_back_by_hand() {
    let scene = Scene::new().await;
    let create = "CREATE TABLE by_month (w String, at DateTime('UTC')) ENGINE = MergeTree \
                  PARTITION BY toYYYYMM(at) ORDER BY (w, at)";
    let fill = "INSERT INTO by_month SELECT 'w', now() - toIntervalDay(number) FROM numbers(200)";
    for sql in [create, fill] {
        scene.execute(sql).await;
    }
    scene.configure(
        "retention: {default: 60d, max_share_of_table: 0.9}\n",
        "targets: [{table: by_month, workspace: w, age: {time: at}, quarantine: {for: 7d}}]\n",
    );
    scene.good(&["run"]);
    let n_left = scene.count("SELECT count() FROM by_month").await;
    assert!(n_left < 100, "{n_left}");
    let lost = || {
        let found = json(&scene.good(&["doctor", "--format=json"]).stdout);
        let found = found.as_array().unwrap().iter();
        let of_code = found.filter(|finding| finding["code"] == "lost-quarantine");
        of_code.cloned().collect::<Vec<Value>>()
    };
    assert!(lost().is_empty(), "the ledger knows it");

    // Of one partition it says that it is over.
    let ledger = scene.path().join("ebbtide.db");
    let edit = "UPDATE quarantines SET state = 'undone' WHERE partition_id = \
                (SELECT min(partition_id) FROM quarantines)";
    let edited = rusqlite::Connection::open(&ledger)
        .unwrap()
        .execute(edit, []);
    assert_eq!(edited.unwrap(), 1);
    let [finding] = &lost()[..] else {
        panic!("{:#?}", lost());
    };
    let n_hidden = scene
        .count(&format!(
            "SELECT count() FROM {}",
            finding["subject"].as_str().unwrap()
        ))
        .await;
    let [statement] = &by_hand(finding)[..] else {
        panic!("{finding:#}");
    };
    scene.execute(statement).await;
    assert!(lost().is_empty(), "{:#?}", lost());

    // It knows nothing of the others.
    for file in ["ebbtide.db", "ebbtide.db-wal", "ebbtide.db-shm"] {
        std::fs::remove_file(scene.path().join(file)).ok();
    }
    assert!(!ledger.exists());
    scene.good(&["migrate"]);
    let mut n_told = 0;
    while let [finding] = &lost()[..] {
        assert_eq!(finding["severity"], "warning");
        for statement in by_hand(finding) {
            assert!(statement.ends_with(".`…`"), "nobody knows: {statement}");
            scene.execute(&statement.replace("`…`", "by_month")).await;
        }
        n_told += 1;
        assert!(n_told < 5, "{finding:#}");
    }
    let n_rows = scene.count("SELECT count() FROM by_month").await;
    assert_eq!(n_rows, n_left + n_hidden);
}

/// The statements of a finding.
fn by_hand(finding: &Value) -> Vec<String> {
    let remedy = finding["remedy"].as_str().unwrap();
    let (_, statements) = remedy.split_once(": ").unwrap();
    let statements = statements.trim_end_matches(", …");
    statements.split("; ").map(str::to_owned).collect()
}
