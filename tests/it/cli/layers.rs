//! Layers: the file, then the environment, then flags.

use super::scene::{N_OLD, N_YOUNG};
use super::{Scene, matches_snapshot};

#[tokio::test]
async fn the_environment_overrides_the_file_and_a_flag_overrides_both() {
    let scene = Scene::new().await;
    let config = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let elsewhere = config
        .replace(scene.database.name(), "no_such_database")
        .replace("unlimited}", "60d, max_share_of_table: 0.01}");
    scene.write("config.yml", &elsewhere);
    let database = ("EBBTIDE_CLICKHOUSE__DATABASE", scene.database.name());
    let share = |share| ("EBBTIDE_RETENTION__MAX_SHARE_OF_TABLE", share);

    assert_eq!(scene.run(&["run"]).code, 2, "the file alone");
    assert_eq!(scene.run_with(&["run"], &[database], "").code, 3);
    assert_eq!(
        scene.run_with(&["run"], &[database, share("0.2")], "").code,
        3
    );
    let flag = ["run", "--max-share-of-table=0.1"];
    assert_eq!(scene.run_with(&flag, &[database, share("1.0")], "").code, 3);
    scene.untouched(N_OLD + N_YOUNG).await;
    let done = scene.run_with(&["run"], &[database, share("1.0")], "");
    assert_eq!(done.code, 0, "{}", done.transcript);
    assert_eq!(scene.count_rows().await, N_YOUNG);
}

/// The file itself may come from the environment; a flag wins here, too.
#[tokio::test]
async fn the_file_may_be_named_by_the_environment() {
    let scene = Scene::new().await;
    std::fs::rename(
        scene.path().join("config.yml"),
        scene.path().join("other.yml"),
    )
    .unwrap();
    let named = ("EBBTIDE_CONFIG", "other.yml");
    assert_eq!(scene.run_with(&["validate"], &[named], "").code, 0);
    assert_eq!(
        scene
            .run_with(&["-c", "none.yml", "validate"], &[named], "")
            .code,
        2
    );
    assert_eq!(scene.run(&["validate"]).code, 2);
}

#[tokio::test]
async fn variables_that_fit_nowhere_are_errors_that_name_them() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d}\n");
    let mut transcript = String::new();
    for variable in [
        ("EBBTIDE_RETENTION__DEFUALT", "unlimited"),
        ("EBBTIDE_RETENTOIN__DEFAULT", "unlimited"),
        ("EBBTIDE_CLICKHOUSE__SHARDS__URL", "http://127.0.0.1:1"),
        ("EBBTIDE_RETENTION__MAX_SHARE_OF_TABLE", "half"),
        ("EBBTIDE_PACE__STATEMENTS_PER_MINUTE", "-1"),
        ("EBBTIDE_PACE__STATEMENTS_PER_MINUTE", "0"),
        ("EBBTIDE_RETENTION__DEFAULT", "6m"),
        ("EBBTIDE_RETENTION__FLOOR", "90d"),
        ("EBBTIDE_RETENTION__PERIODS", "{gold: 0d}"),
        ("EBBTIDE_CLICKHOUSE__PASSWORD", "hunter2"),
        ("EBBTIDE_CLICKHOUSE__PASSWORD", "12345"),
        ("EBBTIDE_LEDGER__PASSWORD", "[hunter2"),
    ] {
        let before = scene.count_rows().await;
        let outcome = scene.run_with(&["run"], &[variable], "");
        assert_eq!(outcome.code, 2, "{variable:?} {}", outcome.transcript);
        scene.untouched(before).await;
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("12345"), "{}", outcome.stderr);
        transcript += &format!("# {}={}\n{}\n", variable.0, variable.1, outcome.transcript);
    }
    matches_snapshot!("layers_bad_variables", transcript);
}

/// Names and values from the environment are text, also where they look like something else.
#[tokio::test]
async fn values_from_the_environment_keep_their_type() {
    let scene = Scene::new().await;
    for (variable, value) in [
        ("EBBTIDE_CLICKHOUSE__USER", "12345"),
        ("EBBTIDE_CLICKHOUSE__DATABASE", "true"),
        ("EBBTIDE_RETENTION__DEFAULT", "7d"),
        ("EBBTIDE_CLICKHOUSE__COMPRESSION", "false"),
        ("EBBTIDE_PLAN__ROWS_PER_STEP", "1000000"),
    ] {
        let outcome = scene.run_with(&["validate"], &[(variable, value)], "");
        assert_eq!(
            outcome.code, 0,
            "{variable}={value}\n{}",
            outcome.transcript
        );
    }
}

/// With a variable set, the file passes through layers that know numbers from texts. The file means
/// the same as without it, and nobody blames the environment.
#[tokio::test]
async fn a_number_in_the_place_of_a_text_is_read_the_same_under_a_variable() {
    let scene = Scene::new().await;
    let pace = ("EBBTIDE_PACE__STATEMENTS_PER_MINUTE", "7");
    scene.retention("directory: {url: \"mysql://u@h/d\", query: 7}\n");
    assert_eq!(scene.good(&["validate"]).code, 0);
    assert_eq!(scene.run_with(&["validate"], &[pace], "").code, 0);
    for (section, problem) in [
        (
            "record: {retention: 400}\n",
            "record.retention: retention \"400\"",
        ),
        (
            "retention: {armed_for: 1.5}\n",
            "retention.armed_for: \"1.5\"",
        ),
        ("serve: {lease: true}\n", "serve.lease: \"true\""),
    ] {
        scene.retention(section);
        let alone = scene.refused(2, &["validate"]).await;
        let layered = scene.run_with(&["validate"], &[pace], "");
        for outcome in [alone, layered] {
            assert!(outcome.stderr.contains(problem), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("must be"), "{}", outcome.stderr);
        }
    }
}
