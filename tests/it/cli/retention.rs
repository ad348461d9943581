//! Retentions that would delete too much, or that nobody can mean.

use super::{Scene, matches_snapshot};

const BAD: [&str; 10] = [
    "0d",
    "-3d",
    "6m",
    "9999999d",
    "2d",
    "gold",
    "",
    "7",
    "7D",
    "99999999999999999999d",
];

fn floor_of_three_days(scene: &Scene) {
    scene.retention("retention: {floor: 3d, periods: {base_60d: 60d}}\n");
}

#[tokio::test]
async fn rules_add_refuses_them() {
    let scene = Scene::new().await;
    floor_of_three_days(&scene);
    let mut transcript = String::new();
    for bad in BAD {
        let retention = format!("--retention={bad}");
        let outcome = scene
            .refused(2, &["rules", "add", "--workspace", "w1", &retention])
            .await;
        transcript.push_str(&outcome.transcript);
    }
    assert_eq!(scene.good(&["rules", "export"]).stdout, "");
    matches_snapshot!("retention_rules_add", transcript);
}

#[tokio::test]
async fn rules_import_refuses_them_all_at_once() {
    let scene = Scene::new().await;
    floor_of_three_days(&scene);
    let lines = BAD
        .iter()
        .enumerate()
        .map(|(n, bad)| format!("- {{workspace: w{n}, retention: \"{bad}\"}}\n"));
    let text = lines.collect::<String>() + "- {workspace: good, retention: 3d}\n";
    scene.write("rules.yml", &text);
    let outcome = scene.refused(2, &["rules", "import", "rules.yml"]).await;
    assert_eq!(
        scene.good(&["rules", "export"]).stdout,
        "",
        "all or nothing"
    );
    matches_snapshot!("retention_rules_import", outcome.transcript);
}

/// A rule that made sense once: nothing is deleted, for anybody, until a person has mended it.
#[tokio::test]
async fn a_rule_in_the_ledger_that_the_config_no_longer_allows() {
    let scene = Scene::new().await;
    scene.good(&[
        "rules",
        "add",
        "--workspace",
        "w1",
        "--retention",
        "base_60d",
    ]);
    scene.good(&["rules", "add", "--workspace", "w2", "--retention", "7d"]);
    let mut transcript = String::new();
    for retention in [
        "retention: {periods: {short: 14d}}\n",
        "retention: {floor: 14d}\n",
        "retention: {floor: 14d, periods: {}}\n",
    ] {
        scene.retention(retention);
        transcript.push_str(&format!("# {retention}"));
        for verb in ["run", "plan"] {
            let outcome = scene.refused(2, &[verb]).await;
            transcript.push_str(&outcome.transcript);
        }
        scene.refused(2, &["explain", "--workspace", "w0"]).await;
        let doctor = scene.run(&["doctor"]);
        assert_eq!(doctor.code, 2, "{}", doctor.transcript);
    }
    // The remedy that the message names works.
    scene.retention("retention: {floor: 14d}\n");
    scene.good(&["rules", "deactivate", "2"]);
    scene.good(&["run"]);
    assert_eq!(
        scene.count_rows().await,
        super::scene::N_OLD + super::scene::N_YOUNG - 10
    );
    matches_snapshot!("retention_in_the_ledger", transcript);
}
