//! Ledgers that are not there, not migrated, migrated by somebody else, or not ours to write.

use rusqlite::Connection;

use super::servers::closed_port;
use super::{Scene, matches_snapshot};

const VERBS: [&[&str]; 6] = [
    &["run"],
    &["plan"],
    &["rules", "list"],
    &["rules", "add", "--workspace=w1", "--retention=7d"],
    &["workspaces", "list"],
    &["explain", "--workspace=w1"],
];

/// Every verb that needs the ledger says the same.
async fn check(scene: &Scene, code: i32) -> String {
    let first = scene.refused(code, VERBS[0]).await;
    for verb in VERBS {
        let outcome = scene.refused(code, verb).await;
        assert_eq!(outcome.stderr, first.stderr, "{verb:?}");
    }
    let doctor = scene.run(&["doctor"]);
    assert_eq!(doctor.code, code, "{}", doctor.transcript);
    first.transcript
}

#[tokio::test]
async fn not_migrated_or_migrated_by_a_newer_version() {
    let scene = Scene::without_ledger().await;
    let mut transcript = check(&scene, 2).await;
    transcript += &scene.good(&["migrate"]).transcript;
    transcript += &scene.good(&["migrate"]).transcript;
    scene.good(&["run"]);

    let ledger = Connection::open(scene.path().join("ebbtide.db")).unwrap();
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (4711, 'from_the_future', '2030-01-01T00:00:00Z', '1')";
    ledger.execute(newer, []).unwrap();
    transcript += &check(&scene, 2).await;
    transcript += &scene.refused(2, &["migrate"]).await.transcript;

    ledger
        .execute("DELETE FROM refinery_schema_history WHERE version > 3", [])
        .unwrap();
    transcript += &check(&scene, 2).await;
    matches_snapshot!("ledger_not_migrated", transcript);
}

#[tokio::test]
async fn a_file_that_is_no_ledger() {
    let scene = Scene::without_ledger().await;
    let mut transcript = String::new();
    scene.write("text.db", &"this is no database\n".repeat(100));
    std::fs::create_dir(scene.path().join("folder.db")).unwrap();
    for url in [
        "sqlite://text.db",
        "sqlite://folder.db",
        "sqlite://no/such/folder/ebbtide.db",
        "sqlite:///proc/ebbtide.db",
        "sqlite://",
        "postgres://localhost/ebbtide",
        "ebbtide.db",
    ] {
        let variables = [("EBBTIDE_LEDGER__URL", url)];
        let before = scene.count_rows().await;
        for verb in [["migrate"], ["run"]] {
            let outcome = scene.run_with(&verb, &variables, "");
            assert!(
                [2, 69].contains(&outcome.code),
                "{url} {}",
                outcome.transcript
            );
            assert_eq!(outcome.stdout, "");
            transcript += &format!("# {url}\n{}", outcome.transcript);
        }
        scene.untouched(before).await;
    }
    matches_snapshot!("ledger_that_is_none", transcript);
}

#[tokio::test]
async fn mysql_is_not_there() {
    let scene = Scene::without_ledger().await;
    let url = format!("mysql://root@127.0.0.1:{}/ebbtide", closed_port());
    let before = scene.count_rows().await;
    let mut transcript = String::new();
    for verb in ["migrate", "run", "plan", "doctor"] {
        let outcome = scene.run_with(&[verb], &[("EBBTIDE_LEDGER__URL", &url)], "");
        assert_eq!(outcome.code, 69, "{}", outcome.transcript);
        transcript += &outcome.transcript;
    }
    scene.untouched(before).await;
    matches_snapshot!("ledger_mysql_is_not_there", transcript);
}
