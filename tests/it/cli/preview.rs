//! What a rule would delete, before it is saved.

use serde_json::Value;

use super::scene::{N_OLD, N_YOUNG};
use super::{Scene, matches_snapshot};

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let outcome = scene.good(&[&["--format=json", "rules", "preview"], arguments].concat());
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[tokio::test]
async fn a_preview_counts_before_and_after_and_saves_nothing() {
    let scene = Scene::new().await;
    scene.write(
        "workspaces.csv",
        "workspace,organization\nw0,acme\nw1,acme\n",
    );
    scene.good(&["workspaces", "import", "workspaces.csv"]);
    scene.good(&["rules", "add", "--organization=acme", "--retention=60d"]);
    scene.fill("traces", 20, 12).await;
    let cases: [&[&str]; 7] = [
        &["--workspace=w1", "--retention=10d"],
        &["--workspace=w1", "--project=p1", "--retention=10d"],
        &["--workspace=w1", "--retention=unlimited"],
        &["--workspace=w1", "--retention=10d", "--no-apply-to-past"],
        &["--workspace=w2", "--retention=400d"],
        &["--organization=acme", "--deactivate"],
        &["--organization=nobody", "--retention=7d"],
    ];
    let mut transcript = String::new();
    for case in cases {
        transcript += &scene
            .good(&[&["rules", "preview"], case].concat())
            .transcript;
        transcript.push('\n');
    }
    // The same as plain counts of the rows.
    let expired = |days: u32, of: &str| {
        format!(
            "SELECT count() FROM traces WHERE {of} AND UUIDv7ToDateTime(toUUID(id)) < toStartOfDay(now('UTC')) - toIntervalDay({days})"
        )
    };
    let of_w1 = json(&scene, &["--workspace=w1", "--retention=10d"]);
    let table = &of_w1["tables"][0];
    let before = scene.count(&expired(60, "workspace_id = 'w1'")).await;
    let after = scene.count(&expired(10, "workspace_id = 'w1'")).await;
    assert!(before < after, "{before} {after}");
    assert_eq!(
        (&table["before"]["n_rows"], &table["after"]["n_rows"]),
        (&before.into(), &after.into())
    );
    assert!(table["after"]["n_bytes"].as_u64().unwrap() > 0);
    assert_eq!(table["after"]["n_parts"], 2);

    assert_eq!(
        scene
            .good(&["rules", "list", "--history"])
            .stdout
            .lines()
            .count(),
        3,
        "nothing is saved"
    );
    scene.untouched(N_OLD + N_YOUNG + 12).await;
    // How well a part was compressed differs from run to run.
    let bytes = regex::Regex::new(r"(now|then)   ([1-9]\d*)   [\d,]+").unwrap();
    let transcript = bytes.replace_all(&transcript, "$1   $2   <bytes>");
    matches_snapshot!("preview", transcript);
}

#[tokio::test]
async fn a_preview_of_nothing_that_can_be_a_rule_is_refused() {
    let scene = Scene::new().await;
    let bad: [&[&str]; 6] = [
        &["--workspace=w1"],
        &["--retention=7d"],
        &["--workspace=w1", "--retention=0d"],
        &["--workspace=w1", "--retention=gold"],
        &["--workspace=w1", "--retention=7d", "--deactivate"],
        &["--workspace=w1", "--deactivate", "--no-apply-to-past"],
    ];
    for arguments in bad {
        scene
            .refused(2, &[&["rules", "preview"], arguments].concat())
            .await;
    }
}
