//! What holds, and why a row is still there.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::{Api, Options};
use crate::support::approve;

fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string()
}

async fn with(retention: &str) -> Api {
    Api::with(Options {
        retention: retention.into(),
        ..Options::default()
    })
    .await
}

async fn row(api: &Api, path: &str, time: &str) -> Value {
    let join = if path.contains('?') { '&' } else { '?' };
    api.get(&format!("{path}{join}row_time={time}"))
        .await
        .has(200)
        .json()["row"]
        .clone()
}

#[tokio::test]
async fn a_policy_tells_which_rule_won_and_which_lost() {
    let api = with("  approval: none\n  default: base_60d\n").await;
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["retention"], "base_60d");
    assert_eq!(policy.get("rule"), None, "the default holds");
    for body in [
        json!({"organization": "acme", "retention": "30d"}),
        json!({"workspace": "w1", "retention": "unlimited"}),
        json!({"workspace": "w1", "project": "p", "retention": "7d", "apply_to_past": false}),
    ] {
        api.post("/v1/rules", body).await.has(201);
    }
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["organization"], "acme");
    assert_eq!(policy["retention"], "unlimited");
    assert_eq!(policy["rule"]["scope"], "workspace");
    assert_eq!(policy["lost"][0]["scope"], "organization");
    assert_eq!(policy["own_projects"], json!(["p"]));
    assert_eq!(policy.get("cutoff"), None);
    let policy = api.get("/v1/policies/w1?project=p").await.has(200).json();
    assert_eq!(policy["days"], 7);
    assert_eq!(policy["lost"].as_array().unwrap().len(), 2);
    assert!(policy["cutoff"]["min_id"].is_string(), "{policy}");
    let policy = api.get("/v1/policies/w2").await.has(200).json();
    assert_eq!(policy["retention"], "30d");
    let below: Timestamp = policy["cutoff"]["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(below.as_second() % 86_400, 0);
}

#[tokio::test]
async fn why_is_this_row_still_here() {
    let api = with("  approval: none\n").await;
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(900)).await["verdict"],
        "unlimited"
    );
    let body =
        json!({"workspace": "w1", "project": "p", "retention": "7d", "apply_to_past": false});
    api.post("/v1/rules", body).await.has(201);
    let of_p = "/v1/policies/w1?project=p";
    assert_eq!(
        row(&api, of_p, &days_ago(20)).await["verdict"],
        "older_than_the_rule"
    );
    api.post("/v1/rules", json!({"workspace": "w1", "retention": "7d"}))
        .await
        .has(201);
    let young = row(&api, "/v1/policies/w1", &days_ago(2)).await;
    assert_eq!(young["verdict"], "not_expired");
    assert_eq!(young["is_expired"], false);
    let old = row(&api, "/v1/policies/w1", &days_ago(20)).await;
    assert_eq!(
        (&old["verdict"], &old["is_expired"]),
        (&json!("due"), &json!(true)),
        "{old}"
    );
    // By its id.
    let at = Timestamp::now() - SignedDuration::from_hours(24 * 20);
    let id = ebbtide::smallest_id(at.as_millisecond());
    assert_eq!(
        row(&api, "/v1/policies/w1", &id.to_string()).await["verdict"],
        "due"
    );
    // A pause, and a hold over it.
    let pause = api
        .post("/v1/pauses", json!({"target": "spans", "reason": "r"}))
        .await
        .has(201);
    let elsewhere = row(&api, "/v1/policies/w1", &days_ago(20)).await;
    assert_eq!(elsewhere["verdict"], "due", "of the other tables");
    let reason = elsewhere["reason"].as_str().unwrap();
    assert!(reason.contains("in spans it stays while pause"), "{reason}");
    api.delete(pause.header("location")).await.has(204);
    let pause = api
        .post("/v1/pauses", json!({"workspace": "w1", "reason": "r"}))
        .await
        .has(201);
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(20)).await["verdict"],
        "paused"
    );
    let hold =
        json!({"organization": "acme", "reason": "r", "from": days_ago(30), "until": days_ago(10)});
    let hold = api.post("/v1/holds", hold).await.has(201);
    let kept = row(&api, "/v1/policies/w1", &days_ago(20)).await;
    assert_eq!(kept["verdict"], "held", "{kept}");
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(40)).await["verdict"],
        "paused"
    );
    api.delete(hold.header("location")).await.has(204);
    api.delete(pause.header("location")).await.has(204);
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(20)).await["verdict"],
        "due"
    );
    // Of a project: who names no project is told that there is one.
    let of_project = json!({"workspace": "w1", "project": "q", "reason": "r"});
    api.post("/v1/holds", of_project).await.has(201);
    let perhaps = row(&api, "/v1/policies/w1", &days_ago(20)).await;
    let reason = perhaps["reason"].as_str().unwrap();
    assert!(reason.contains("in project \"q\" hold"), "{reason}");
    assert_eq!(
        row(&api, "/v1/policies/w1?project=q", &days_ago(20)).await["verdict"],
        "held"
    );
}

#[tokio::test]
async fn a_shortened_rule_waits_for_its_approval() {
    let api = with("  default: base_60d\n").await;
    // Nothing was ever approved.
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["waiting"]["waits_for"], "approval");
    assert_eq!(policy["waiting"].get("deleted_below"), None);
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(90)).await["verdict"],
        "waiting"
    );
    // What holds now is approved.
    let engine = &api.live.borrow().clone().engine;
    engine.note_settings("test").await.unwrap();
    approve(&*api.ledger).await;
    // The copy notices within two seconds.
    let mut verdict = Value::Null;
    for _ in 0..200 {
        verdict = row(&api, "/v1/policies/w1", &days_ago(90)).await["verdict"].clone();
        if verdict == "due" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(verdict, "due");
    // Shorter waits, and what was approved does not.
    api.post("/v1/rules", json!({"workspace": "w1", "retention": "7d"}))
        .await
        .has(201);
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["waiting"]["waits_for"], "approval", "{policy}");
    assert!(policy["waiting"]["deleted_below"].is_string(), "{policy}");
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(20)).await["verdict"],
        "waiting"
    );
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(90)).await["verdict"],
        "due"
    );
    // Where a target reaches further than what was approved, rows wait too.
    api.reload(|config| config.targets[0].age = ebbtide::Age::Time("start_time".into()));
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    let changes = policy["target_changes"].to_string();
    assert!(
        changes.contains(&api.live.borrow().config.targets[0].table),
        "{policy}"
    );
    let asked = api
        .get(&format!("/v1/policies/w1?row_time={}", days_ago(90)))
        .await;
    let reason = asked.has(200).json()["row"]["reason"].to_string();
    assert!(
        reason.contains("waits where a target reaches further"),
        "{reason}"
    );
    // Longer acts at once.
    let longer = json!({"workspace": "w1", "retention": "extended_400d"});
    assert_eq!(
        api.post("/v1/rules", longer).await.has(201).json()["effect"]["acts"],
        "at_once"
    );
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy.get("waiting"), None, "{policy}");
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(90)).await["verdict"],
        "not_expired"
    );
    // Where every target does, nothing goes, and no rule that deletes anything acts at once.
    api.reload(|config| config.targets[1].age = ebbtide::Age::Time("start_time".into()));
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["waiting"]["waits_for"], "approval", "{policy}");
    assert_eq!(policy["waiting"].get("deleted_below"), None, "{policy}");
    assert_eq!(
        row(&api, "/v1/policies/w1", &days_ago(500)).await["verdict"],
        "waiting"
    );
    for (retention, acts) in [("500d", "after_approval"), ("unlimited", "at_once")] {
        let longer = json!({"workspace": "w1", "retention": retention});
        let set = api.post("/v1/rules", longer).await.has(201).json();
        assert_eq!(set["effect"]["acts"], acts, "{set}");
    }
}

#[tokio::test]
async fn what_was_approved_waits_only_until_it_has_been_armed() {
    let api = with("  approval: required\n  armed_for: 1d\n  default: base_60d\n").await;
    let engine = &api.live.borrow().clone().engine;
    engine.note_settings("test").await.unwrap();
    let waits_for = async || {
        let policy = api.get("/v1/policies/w1").await.has(200).json();
        policy["waiting"]["waits_for"].clone()
    };
    assert_eq!(waits_for().await, "approval");
    approve(&*api.ledger).await;
    // The copy notices within two seconds.
    let began_at = std::time::Instant::now();
    while waits_for().await != "armed" {
        assert!(began_at.elapsed().as_secs() < 10, "it never waits for that");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    api.post("/v1/rules", json!({"workspace": "w1", "retention": "7d"}))
        .await
        .has(201);
    assert_eq!(waits_for().await, "approval");
}

#[tokio::test]
async fn changes_of_others_are_seen_within_two_seconds() {
    let api = with("").await;
    api.get("/v1/policies/w1").await.has(200);
    let rule = ebbtide::NewRule {
        scope: ebbtide::Scope::Workspace("w1".into()),
        retention: "9d".into(),
        apply_to_past: true,
        created_at: Timestamp::now(),
    };
    api.ledger
        .create_rule(&rule, "somebody else".into())
        .await
        .unwrap();
    let began_at = std::time::Instant::now();
    while api.get("/v1/policies/w1").await.has(200).json()["retention"] != "9d" {
        assert!(
            began_at.elapsed() < std::time::Duration::from_secs(4),
            "it is never seen"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_plan_is_made_looked_at_and_approved_or_stale() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    api.post("/v1/rules", json!({"workspace": "w1", "retention": "50d"}))
        .await
        .has(201);
    let made = api.post("/v1/plans", json!({})).await.has(201);
    let location = made.header("location").to_owned();
    assert_eq!(made.json()["status"], "pending");
    let n_due = made.json()["n_due"].as_u64().unwrap();
    assert!(
        (98..=100).contains(&n_due),
        "49 or 50 days in two tables: {n_due}"
    );
    let whole = api.get(&location).await.has(200).json();
    assert_eq!(whole["kept"], made.json());
    assert_eq!(
        whole["plan"]["steps"].as_array().unwrap().len(),
        2,
        "{whole}"
    );
    let woken = api.wake.notified();
    let approve = format!("{location}/approve");
    let ask = api
        .ask("POST", &approve)
        .by("admin")
        .header("if-match", made.header("etag"));
    let approved = ask.send().await.has(200).json();
    assert_eq!(
        (&approved["status"], &approved["approved_by"]),
        (&json!("approved"), &json!("admin"))
    );
    tokio::time::timeout(std::time::Duration::from_secs(5), woken)
        .await
        .expect("it is woken");
    // Again: it is so already.
    api.post(&approve, json!({})).await.has(200);
    // Another one, and then the world changes.
    let second = api
        .post("/v1/plans", json!({}))
        .await
        .has(201)
        .header("location")
        .to_owned();
    api.post("/v1/rules", json!({"workspace": "w2", "retention": "5d"}))
        .await
        .has(201);
    let problem = api
        .post(&format!("{second}/approve"), json!({}))
        .await
        .problem(409, "stale-plan");
    let changes = problem["changes"].to_string();
    assert!(
        changes.contains("w2") && changes.contains("5d"),
        "{changes}"
    );
    assert_eq!(
        api.get(&second).await.has(200).json()["kept"]["status"],
        "stale"
    );
    // Nothing of this deleted anything.
    let database = api.database.as_ref().unwrap();
    let n_rows: u64 = database
        .client()
        .query("SELECT count() FROM spans")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(n_rows, 300);
}

#[tokio::test]
async fn a_plan_that_a_guard_forbids_is_not_approved() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    api.reload(|config| config.limits.max_share_of_table = 0.1);
    api.post("/v1/rules", json!({"workspace": "w1", "retention": "50d"}))
        .await
        .has(201);
    let made = api.post("/v1/plans", json!({})).await.has(201);
    let approve = format!("{}/approve", made.header("location"));
    for _ in 0..2 {
        let problem = api.post(&approve, json!({})).await;
        let problem = problem.problem(409, "refused-plan");
        let refusals = problem["refusals"].to_string();
        assert!(refusals.contains("max_share_of_table"), "{problem}");
    }
    assert_eq!(api.ledger.approved_revision().await.unwrap(), None);
    let kept = api.get(made.header("location")).await.has(200).json();
    assert_eq!(kept["kept"]["status"], "pending");
    // What is allowed again can be approved again.
    api.reload(|config| config.limits.max_share_of_table = 0.5);
    api.post(&approve, json!({})).await.has(200);
    let revision = api.ledger.revision().await.unwrap();
    assert_eq!(
        api.ledger.approved_revision().await.unwrap(),
        Some(revision)
    );
}

#[tokio::test]
async fn a_preview_saves_nothing() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    let before = api.ledger.revision().await.unwrap();
    let body = json!({"workspace": "w1", "retention": "50d"});
    let preview = api.post("/v1/rules/preview", body).await.has(200).json();
    let tables = preview["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2, "{preview}");
    for table in tables {
        assert_eq!(table["before"]["n_rows"], 0, "{preview}");
        let n_rows = table["after"]["n_rows"].as_u64().unwrap();
        assert!((49..=50).contains(&n_rows), "{preview}");
        assert!(table["after"]["oldest"].is_string() && table["after"]["newest"].is_string());
    }
    assert_eq!(api.ledger.revision().await.unwrap(), before);
    assert_eq!(
        api.get("/v1/rules").await.has(200).json()["items"],
        json!([])
    );
}
