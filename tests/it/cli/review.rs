//! A person looks first: plans for review, approvals, armed rules, and the lease.

use std::time::Duration;

use ebbtide::{CYCLE_LEASE, LeaseAttempt, connect_ledger};
use serde_json::Value;

use super::scene::{N_OLD, N_YOUNG, Outcome};
use super::{Scene, matches_snapshot};

const REQUIRED: &str = "retention: {default: 60d, approval: required}\n";

fn transcripts(outcomes: impl IntoIterator<Item = Outcome>) -> String {
    let all: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.transcript)
        .collect();
    all.join("\n")
}

/// A new install: nothing goes before somebody applied a plan that was written for review.
#[tokio::test]
async fn a_new_install_waits_for_a_reviewed_plan() {
    let scene = Scene::new().await;
    scene.retention(REQUIRED);
    let waits = scene.run(&["run"]);
    assert_eq!(waits.code, 3, "{}", waits.transcript);
    let effective = scene.run(&["plan"]);
    let proposed = scene.good(&["plan", "--out", "plan.json"]);
    scene.untouched(N_OLD + N_YOUNG).await;
    let applied = scene.good(&["apply", "plan.json"]);
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        (N_YOUNG, 1)
    );
    // What it did is on record, and the next cycle needs nobody.
    let history = scene
        .good(&["--format=json", "history", "--limit=1"])
        .stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (&history[0]["kind"], &history[0]["status"]),
        (&"apply".into(), &"done".into())
    );
    scene.fill("traces", 90, 5).await;
    let next = scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    let record = scene.good(&["audit", "export"]).stdout;
    assert!(record.contains("\"kind\":\"approved\""), "{record}");
    let transcript = transcripts([waits, effective, proposed, applied, next]);
    matches_snapshot!("review_of_a_new_install", transcript);
}

/// What deletes less acts at once; what deletes more waits, and says so where it is set.
#[tokio::test]
async fn a_shorter_rule_waits_and_a_longer_one_acts_at_once() {
    let scene = Scene::new().await;
    scene.fill("traces", 30, 30).await;
    scene.retention("retention: {default: 200d, approval: required}\n");
    scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);

    let shorter = scene.good(&["rules", "add", "--workspace=w1", "--retention=60d"]);
    let waiting = scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG + 30);
    // A row that the rule of now expires, and the one that was approved keeps.
    let json = scene
        .good(&["--format=json", "explain", "--workspace=w1"])
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let cutoff: jiff::Timestamp = json["cutoff"]["at"].as_str().unwrap().parse().unwrap();
    let row_time = format!(
        "--row-time={}",
        cutoff - jiff::SignedDuration::from_hours(24)
    );
    let why = scene.good(&["explain", "--workspace=w1", &row_time]);
    scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);
    assert_eq!(scene.count_rows().await, N_OLD / 3 * 2 + N_YOUNG + 30);

    let longer = scene.good(&["rules", "add", "--workspace=w1", "--retention=90d"]);
    let too_short = scene.good(&["rules", "add", "--workspace=w2", "--retention=20d"]);
    let taken_back = scene.good(&["rules", "deactivate", "3"]);
    scene.good(&["run"]);
    assert_eq!(
        scene.count_rows().await,
        N_OLD / 3 * 2 + N_YOUNG + 30,
        "nothing of it waits"
    );
    let transcript = transcripts([shorter, waiting, why, longer, too_short, taken_back]);
    matches_snapshot!("review_of_rules", transcript);
}

/// A keep that is removed deletes more than what was approved, and everybody says so.
#[tokio::test]
async fn a_keep_that_is_removed_waits_for_an_approval() {
    const COLUMNS: &str =
        "table: traces, workspace: workspace_id, project: project_id, age: {uuid_v7: id}";
    let scene = Scene::new().await;
    for sql in [
        "CREATE TABLE items (workspace_id String, trace_id String) ENGINE = MergeTree \
         ORDER BY workspace_id",
        "INSERT INTO items SELECT workspace_id, id FROM traces ORDER BY id LIMIT 1",
    ] {
        scene.execute(sql).await;
    }
    let targets = |keep: &str| {
        scene.configure(REQUIRED, &format!("targets:\n  - {{{COLUMNS}{keep}}}\n"));
    };
    targets(
        ", keep: [{column: id, in_table: items, in_column: trace_id, in_workspace: workspace_id}]",
    );
    scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);
    assert_eq!(scene.count_rows().await, N_YOUNG + 1);

    targets("");
    let doctor = scene.good(&["doctor"]).stdout;
    assert!(
        doctor.contains("so its rows wait: target traces: its keep of id in items"),
        "{doctor}"
    );
    let planned = scene.good(&["plan"]);
    let ran = scene.good(&["run"]);
    let why = scene.good(&["explain", "--workspace=w1", "--row-time=2020-01-01"]);
    assert_eq!(scene.count_rows().await, N_YOUNG + 1);
    let proposed = scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    let transcript = transcripts([planned, ran, why, proposed]);
    matches_snapshot!("review_of_targets", transcript);
}

/// Every kind of scope is compared with what was approved for it.
#[tokio::test]
async fn what_becomes_of_a_rule_is_told_for_every_scope() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 200d, approval: required, armed_for: 2d}\n");
    let effect = |arguments: &[&str]| {
        let outcome = scene.good(&[&["--format=json", "rules"], arguments].concat());
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        json["effect"].clone()
    };
    let first = effect(&["add", "--workspace=w0", "--retention=unlimited"]);
    assert_eq!(first["acts_at_once"], true, "it deletes nothing: {first}");
    let first = effect(&["add", "--workspace=w1", "--retention=300d"]);
    assert_eq!(
        first["acts_at_once"], false,
        "nothing was approved: {first}"
    );
    scene.good(&["plan", "--out", "plan.json"]);
    scene.good(&["apply", "plan.json"]);

    // Approved is everything; armed is nothing yet, until the clock of the ledger has gone on.
    scene.retention("retention: {default: 200d, approval: required}\n");
    let cases: [(&[&str], bool); 8] = [
        (&["add", "--organization=acme", "--retention=300d"], true),
        (&["add", "--organization=acme", "--retention=100d"], false),
        (&["add", "--workspace=w1", "--retention=299d"], false),
        (&["add", "--workspace=w1", "--retention=300d"], true),
        (
            &["add", "--workspace=w1", "--project=p1", "--retention=301d"],
            true,
        ),
        (
            &["add", "--workspace=w1", "--project=p1", "--retention=7d"],
            false,
        ),
        (&["deactivate", "1"], false),
        (&["add", "--workspace=w0", "--retention=unlimited"], true),
    ];
    for (arguments, acts_at_once) in cases {
        let effect = effect(arguments);
        assert_eq!(
            effect["acts_at_once"], acts_at_once,
            "{arguments:?} {effect}"
        );
        assert_eq!(
            effect["waits_for_approval"], !acts_at_once,
            "{arguments:?} {effect}"
        );
    }
}

/// A plan that is no longer true is refused, and names what changed.
#[tokio::test]
async fn a_stale_or_edited_plan_is_refused_and_says_what_changed() {
    let scene = Scene::new().await;
    scene.retention(REQUIRED);
    let mut text = String::new();
    let plan = || {
        scene.good(&["plan", "--out", "plan.json"]);
    };
    let mut refused = async |what: &str| {
        let outcome = scene.refused(3, &["apply", "plan.json"]).await;
        text += &format!("# {what}\n{}\n", outcome.transcript);
    };
    plan();
    scene.good(&["rules", "add", "--workspace=w1", "--retention=90d"]);
    refused("a rule was added").await;
    plan();
    scene.good(&["holds", "add", "--workspace=w2", "--reason=case"]);
    refused("a hold was placed").await;
    plan();
    scene.good(&["pause", "--all", "--reason=incident"]);
    refused("everything was paused").await;
    scene.good(&["resume", "--all"]);
    plan();
    let other = "targets:\n  - {table: traces, workspace: workspace_id, age: {uuid_v7: id}}\n";
    scene.configure(REQUIRED, other);
    refused("the target has no project").await;
    scene.configure("retention: {default: 50d, approval: required}\n", other);
    refused("the default is another one, too").await;
    scene.retention(REQUIRED);
    plan();
    let file = std::fs::read_to_string(scene.path().join("plan.json")).unwrap();
    scene.write("plan.json", &file.replace("\"w0\"", "\"w2\""));
    refused("the file was edited").await;
    scene.run(&["plan", "--out", "plan.json", "--as-of", "2199-01-01"]);
    refused("it is of a day to come").await;
    assert_eq!(
        scene.run(&["run"]).code,
        3,
        "what was refused was not approved"
    );
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG);
    matches_snapshot!("review_stale", text);
}

/// The share of a table is asked again when a plan is applied, and is then approved nowhere.
#[tokio::test]
async fn a_reviewed_plan_that_takes_too_much_is_refused() {
    let scene = Scene::new().await;
    scene.fill("traces", 200, 200).await;
    scene.retention(REQUIRED);
    let plan = scene.run(&["plan", "--out", "plan.json"]);
    assert_eq!(plan.code, 3, "{}", plan.transcript);
    let refused = scene.refused(3, &["apply", "plan.json"]).await;
    assert!(
        refused.stderr.contains("max_share_of_table"),
        "{}",
        refused.stderr
    );
    let json = scene.run(&["--format=json", "apply", "plan.json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["status"], &json["refusals"][0]["guard"]),
        (&"refused".into(), &"share".into())
    );
    let record = scene.good(&["audit", "export"]).stdout;
    assert!(!record.contains("\"kind\":\"approved\""), "{record}");
    scene.good(&["apply", "plan.json", "--max-share-of-table=0.9"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
}

#[tokio::test]
async fn a_file_that_is_no_plan_is_a_usage_error() {
    let scene = Scene::new().await;
    scene.retention(REQUIRED);
    scene.write("empty.json", "");
    scene.write("other.json", "{\"steps\": 7}");
    let mut text = String::new();
    for file in ["nowhere.json", "empty.json", "other.json", "config.yml"] {
        text += &scene.refused(2, &["apply", file]).await.transcript;
    }
    text += &scene.refused(2, &["apply"]).await.transcript;
    matches_snapshot!("review_no_plan", text);
}

/// Armed: the change acts by itself after a while, and can be taken back until then.
#[tokio::test]
async fn an_armed_rule_acts_when_its_time_is_over() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: unlimited, approval: none, armed_for: 4s}\n");
    let armed = scene.good(&["rules", "add", "--workspace=w1", "--retention=60d"]);
    scene.run(&["run"]);
    assert_eq!(scene.count_rows().await, N_OLD + N_YOUNG);
    let mut n_rows = N_OLD + N_YOUNG;
    for _ in 0..200 {
        scene.run(&["run"]);
        n_rows = scene.count_rows().await;
        if n_rows < N_OLD + N_YOUNG {
            break;
        }
    }
    assert_eq!(n_rows, N_OLD / 3 * 2 + N_YOUNG);
    assert!(armed.stdout.contains("armed"), "{}", armed.stdout);
}

/// One cycle at a time: while another instance holds the lease, nothing is sent.
#[tokio::test]
async fn whoever_finds_the_lease_held_tries_later() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d, approval: none}\n");
    scene.good(&["plan", "--out", "plan.json"]);
    let url = format!("sqlite://{}", scene.path().join("ebbtide.db").display());
    let ledger = connect_ledger(&url, None).await.unwrap();
    let length = Duration::from_mins(5);
    let LeaseAttempt::Held(lease) = ledger
        .acquire_lease(CYCLE_LEASE, "another", length)
        .await
        .unwrap()
    else {
        panic!("the lease is free");
    };
    let run = scene.refused(75, &["run"]).await;
    scene.refused(75, &["apply", "plan.json"]).await;
    scene.untouched(N_OLD + N_YOUNG).await;
    ledger.release_lease(&lease).await.unwrap();
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    assert!(ledger.leases().await.unwrap().is_empty(), "given back");
    matches_snapshot!("review_busy", run.transcript);
}
