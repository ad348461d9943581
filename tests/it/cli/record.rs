//! The record: what was done, and that nobody edited it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ebbtide::{HoldRange, NewHold, Scope, connect_ledger};
use jiff::Timestamp;
use serde_json::Value;

use super::scene::N_OLD;
use super::{Scene, matches_snapshot};

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let outcome = scene.run(&[&["--format=json"], arguments].concat());
    serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.transcript))
}

fn change(scene: &Scene, sql: &str) {
    let ledger = rusqlite::Connection::open(scene.path().join("ebbtide.db")).unwrap();
    assert!(ledger.execute(sql, []).unwrap() > 0, "{sql}");
}

#[tokio::test]
async fn history_shows_cycles_and_steps() {
    let scene = Scene::new().await;
    let empty = scene.good(&["history"]);
    scene.retention("retention: {default: 60d, approval: none}\n");
    scene.good(&["run"]);
    scene.good(&["run"]);
    let both = scene.good(&["history"]);
    let of_table = json(&scene, &["history", "--table=traces"]);
    assert_eq!(
        of_table.as_array().unwrap().len(),
        1,
        "only one cycle had a step"
    );
    assert_eq!(
        json(&scene, &["history", "--table=spans"]),
        Value::Array(vec![])
    );
    assert_eq!(
        json(&scene, &["history", "--limit=1"])
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let cycle = &of_table[0];
    assert_eq!(
        (&cycle["kind"], &cycle["status"]),
        (&"run".into(), &"done".into())
    );
    let step = &cycle["steps"][0];
    assert_eq!(
        (&step["rows_before"], &step["rows_after"]),
        (&N_OLD.into(), &0.into())
    );
    assert_eq!(
        (&step["verdict"], &step["table"]),
        (&"verified".into(), &"traces".into())
    );
    assert!(
        step["predicate"].as_str().unwrap().contains("workspace_id"),
        "{step:#}"
    );
    assert_eq!(step["bounds"][0]["n_due"], N_OLD);
    // The query id is the one that the server knows.
    scene.execute("SYSTEM FLUSH LOGS").await;
    let id = step["query_id"].as_str().unwrap();
    let known = format!(
        "SELECT count() FROM system.query_log WHERE query_id = '{id}' AND type = 'QueryFinish'"
    );
    assert_eq!(scene.count(&known).await, 1);

    let id = cycle["cycle"].as_str().unwrap();
    let one = scene.good(&["history", "--cycle", id]);
    let unknown = scene.run(&["history", "--cycle", "nothing"]);
    assert_eq!(
        (unknown.code, scene.run(&["history", "--limit=0"]).code),
        (2, 2)
    );
    let verbose = scene.good(&["-v", "history", "--table=traces"]);
    assert!(verbose.stdout.contains("predicate"), "{}", verbose.stdout);
    let transcript = [empty, both, one, unknown].map(|o| o.transcript).join("\n");
    matches_snapshot!("history", transcript);
}

/// A process that died leaves an intent without an outcome: history does not make one up.
#[tokio::test]
async fn a_step_without_an_outcome_is_shown_as_what_it_is() {
    let scene = Scene::new().await;
    scene.retention("retention: {default: 60d, approval: none}\n");
    scene.good(&["run"]);
    change(
        &scene,
        "UPDATE steps SET verdict = NULL, rows_left = NULL, finished_at = NULL",
    );
    change(&scene, "UPDATE cycles SET status = NULL, ended_at = NULL");
    let cycle = json(&scene, &["history"])[0].clone();
    assert_eq!(
        (&cycle["status"], &cycle["ended_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(cycle["steps"][0]["verdict"], Value::Null);
    let id = cycle["cycle"].as_str().unwrap();
    let transcript = scene.good(&["history", "--cycle", id]).transcript;
    matches_snapshot!("history_without_outcome", transcript);
}

#[tokio::test]
async fn an_unbroken_record_has_a_head_to_keep() {
    let scene = Scene::new().await;
    let empty = scene.good(&["audit", "verify"]);
    scene.good(&["rules", "add", "--workspace=w1", "--retention=60d"]);
    let first = json(&scene, &["audit", "verify"]);
    assert_eq!(
        (&first["ok"], &first["n_entries"]),
        (&true.into(), &1.into())
    );
    scene.good(&["rules", "deactivate", "1"]);
    let head = first["head"].as_str().unwrap();
    let kept = scene.good(&["audit", "verify", "--head", head]);

    let lines = scene.good(&["audit", "export"]).stdout;
    let entries: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["rule_created", "rule_deactivated"]);
    assert_eq!(entries[0]["actor"], "tester");
    assert_eq!(entries[0]["hash"], head.split_once(':').unwrap().1);
    assert_eq!(entries[1]["previous"], entries[0]["hash"]);

    let bad = ["1", "x:00", "1:zz", ":", ""].map(|head| format!("--head={head}"));
    for head in bad {
        scene.refused(2, &["audit", "verify", &head]).await;
    }
    let other = format!("--head=1:{}", "0".repeat(64));
    let rewritten = scene.run(&["audit", "verify", &other]);
    let cut = scene.run(&["audit", "verify", &format!("--head=9:{}", "0".repeat(64))]);
    assert_eq!(
        (rewritten.code, cut.code),
        (1, 1),
        "{}{}",
        rewritten.transcript,
        cut.transcript
    );
    let transcript = [empty, kept, rewritten, cut]
        .map(|o| o.transcript)
        .join("\n");
    matches_snapshot!("audit_heads", transcript);
}

/// Tables are read after the record: what comes in between was not changed beside ebbtide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_grows_meanwhile_is_not_called_broken() {
    let scene = Scene::new().await;
    scene.good(&["rules", "add", "--workspace=w1", "--retention=60d"]);
    let url = format!("sqlite://{}/ebbtide.db", scene.path().display());
    let ledger = connect_ledger(&url, None).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let placing = tokio::spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            let mut n_holds = 0;
            while !is_over.load(Relaxed) {
                let hold = NewHold {
                    scope: Scope::Workspace(format!("w{n_holds}").into()),
                    range: HoldRange::default(),
                    reason: "court".into(),
                    owner: "ann".into(),
                    created_at: Timestamp::now(),
                };
                ledger.place_hold(&hold, "eva".into()).await.unwrap();
                n_holds += 1;
            }
            n_holds
        }
    });
    for _ in 0..10 {
        scene.good(&["audit", "verify"]);
    }
    is_over.store(true, Relaxed);
    assert!(placing.await.unwrap() > 10);
}

/// Whatever somebody does to the table beside ebbtide is found, and named.
#[tokio::test]
async fn a_record_that_was_changed_is_found_broken() {
    let changes = [
        (
            "an entry was edited",
            "UPDATE audit SET actor = 'somebody' WHERE seq = 2",
        ),
        ("an entry was removed", "DELETE FROM audit WHERE seq = 2"),
        (
            "the last entry was removed",
            "DELETE FROM audit WHERE seq = 3",
        ),
        ("all were removed", "DELETE FROM audit"),
    ];
    let mut transcript = String::new();
    for (what, sql) in changes {
        let scene = Scene::new().await;
        for workspace in ["w1", "w2", "w3"] {
            scene.good(&["rules", "add", "--workspace", workspace, "--retention=60d"]);
        }
        scene.good(&["audit", "verify"]);
        change(&scene, sql);
        let outcome = scene.run(&["audit", "verify"]);
        assert_eq!(outcome.code, 1, "{what}: {}", outcome.transcript);
        let document = json(&scene, &["audit", "verify"]);
        assert_eq!(document["ok"], false, "{what}");
        assert!(!document["flaws"].as_array().unwrap().is_empty(), "{what}");
        transcript += &format!("# {what}\n{}\n", outcome.transcript);
    }
    matches_snapshot!("audit_broken", transcript);
}
