//! Explanations: who won, who lost, and what happens to a row.

use super::{Scene, matches_snapshot};

const RULES: &str = "\
- {organization: acme, retention: base_60d, created_at: 2026-01-01T00:00:00Z}
- {organization: globex, retention: unlimited, created_at: 2026-01-01T00:00:00Z}
- {workspace: finite, retention: 30d, created_at: 2026-01-02T00:00:00Z}
- {workspace: unlimited, retention: unlimited, created_at: 2026-01-02T00:00:00Z}
- {workspace: from_now_on, retention: 7d, apply_to_past: false, created_at: 2026-01-02T00:00:00Z}
- {workspace: too_young, retention: 36500d, apply_to_past: false, created_at: 2026-01-02T00:00:00Z}
- {workspace: finite, project: \"p 9\", retention: short_14d, created_at: 2026-01-03T00:00:00Z}
- {workspace: unlimited, project: p1, retention: 7d, created_at: 2026-01-03T00:00:00Z}
";
const DIRECTORY: &str = "\
workspace,organization
finite,acme
unlimited,acme
plain,acme
free,globex
";

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.retention("retention: {default: extended_400d}\n");
    scene.write("rules.yml", RULES);
    scene.good(&["rules", "import", "rules.yml"]);
    scene.write("workspaces.csv", DIRECTORY);
    scene.good(&["workspaces", "import", "workspaces.csv"]);
    scene
}

#[tokio::test]
async fn policies_and_their_trails() {
    let scene = scene().await;
    let mut transcript = String::new();
    let cases: [&[&str]; 10] = [
        &["--workspace=nobody"],
        &["--workspace=plain"],
        &["--workspace=free"],
        &["--workspace=finite"],
        &["--workspace=finite", "--project=p 9"],
        &["--workspace=finite", "--project=other"],
        &["--workspace=unlimited"],
        &["--workspace=unlimited", "--project=p1"],
        &["--workspace=from_now_on"],
        &["--workspace=too_young"],
    ];
    for case in cases {
        transcript += &scene.good(&[&["explain"], case].concat()).transcript;
        transcript.push('\n');
    }
    transcript += &scene.refused(2, &["explain"]).await.transcript;
    transcript += &scene
        .refused(2, &["explain", "--project=p1"])
        .await
        .transcript;
    matches_snapshot!("explain_policies", transcript);
}

/// The same about rows, around the cutoff and the creation of a rule, by time and by id.
#[tokio::test]
async fn rows() {
    let scene = scene().await;
    let at = |what: &str, workspace: &str| {
        let json = scene.good(&["--format=json", "explain", workspace]).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        json["cutoff"][what].as_str().unwrap().to_owned()
    };
    let cutoff: jiff::Timestamp = at("at", "--workspace=finite").parse().unwrap();
    let below = (cutoff - jiff::SignedDuration::from_millis(1)).to_string();
    let cutoff_id = at("id", "--workspace=finite");
    let before_id = uuid_v7(cutoff.as_millisecond() - 1, u128::MAX);
    let min_id = at("min_id", "--workspace=from_now_on");
    let created: jiff::Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let before_min = uuid_v7(created.as_millisecond() - 1, u128::MAX);

    let cases = [
        (
            "a millisecond below the cutoff",
            "--workspace=finite",
            below.as_str(),
        ),
        ("at the cutoff", "--workspace=finite", &cutoff.to_string()),
        (
            "the smallest id of the cutoff",
            "--workspace=finite",
            &cutoff_id,
        ),
        (
            "the largest id below the cutoff",
            "--workspace=finite",
            &before_id,
        ),
        (
            "the same in capitals",
            "--workspace=finite",
            &before_id.to_uppercase(),
        ),
        ("an old day", "--workspace=finite", "2020-01-01"),
        ("the future", "--workspace=finite", "2199-01-01"),
        (
            "an old row of an unlimited workspace",
            "--workspace=unlimited",
            "2020-01-01",
        ),
        (
            "the smallest id of the rule",
            "--workspace=from_now_on",
            &min_id,
        ),
        (
            "the largest id before the rule",
            "--workspace=from_now_on",
            &before_min,
        ),
        (
            "a rule that is younger than its cutoff",
            "--workspace=too_young",
            "2020-01-01",
        ),
    ];
    let mut transcript = String::new();
    for (name, workspace, time) in cases {
        let row_time = format!("--row-time={time}");
        let outcome = scene.good(&["explain", workspace, &row_time]);
        let row = outcome.transcript.split("a row of ").nth(1).unwrap();
        transcript += &format!("# {name}\na row of {row}\n");
    }
    for time in [
        "0192b4a0-0000-4000-8000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        "soon",
        "",
        "2026-02-30",
    ] {
        let row_time = format!("--row-time={time}");
        let outcome = scene
            .refused(2, &["explain", "--workspace=finite", &row_time])
            .await;
        transcript += &format!("# {time}\n{}", outcome.stderr);
    }
    matches_snapshot!("explain_rows", transcript);
}

/// "Why is this row still here?": holds, pauses, approvals and armed rules, and several at once.
#[tokio::test]
async fn what_keeps_an_expired_row() {
    let scene = Scene::new().await;
    let explain = |workspace: &str, day: &str| {
        let workspace = format!("--workspace={workspace}");
        scene
            .good(&["explain", &workspace, &format!("--row-time={day}")])
            .transcript
            + "\n"
    };
    scene.retention("retention: {default: 60d, approval: required}\n");
    let mut transcript = String::from("# nothing was approved\n");
    transcript += &explain("w0", "2020-01-01");
    scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);
    transcript += "# approved\n";
    transcript += &explain("w0", "2020-01-01");

    scene.good(&["workspaces", "add", "--workspace=w1", "--organization=acme"]);
    scene.good(&[
        "holds",
        "add",
        "--organization=acme",
        "--reason=audit",
        "--until=2020-06-01",
    ]);
    scene.good(&[
        "holds",
        "add",
        "--workspace=w1",
        "--project=p 1",
        "--reason=case 7",
        "--owner=legal",
    ]);
    transcript += "# in the range of a hold, after it, and of a held project\n";
    transcript += &explain("w1", "2020-01-01");
    transcript += &explain("w1", "2020-06-01");
    transcript += &scene
        .good(&[
            "explain",
            "--workspace=w1",
            "--project=p 1",
            "--row-time=2020-06-01",
        ])
        .transcript;
    scene.good(&["pause", "--target=traces", "--reason=a new index"]);
    scene.good(&["pause", "--workspace=w1", "--reason=they asked"]);
    scene.good(&["pause", "--workspace=w2", "--reason=somebody else"]);
    transcript += "\n# paused, too\n";
    transcript += &explain("w1", "2020-01-01");
    let json = scene.good(&[
        "--format=json",
        "explain",
        "--workspace=w1",
        "--row-time=2020-01-01",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["row"]["kept_by"].as_array().unwrap().len(),
        3,
        "{json:#}"
    );
    assert_eq!(
        (&json["holds"][0]["hold"], &json["project_holds"][0]["hold"]),
        (&1.into(), &2.into())
    );

    scene.retention("retention: {default: 50d, approval: none, armed_for: 2d}\n");
    transcript += "# armed\n";
    transcript += &explain("w0", "2020-01-01");
    transcript += &scene
        .good(&["rules", "add", "--workspace=w0", "--retention=7d"])
        .transcript;
    matches_snapshot!("explain_what_keeps_a_row", transcript);
}

/// A UUIDv7 of this millisecond with these random bits.
fn uuid_v7(unix_ms: i64, random: u128) -> String {
    let time = u128::try_from(unix_ms).unwrap() << 80;
    let low = random & ((1 << 80) - 1) & !(0xf << 76) & !(0b11 << 62);
    uuid::Uuid::from_u128(time | low | 7 << 76 | 0b10 << 62).to_string()
}
