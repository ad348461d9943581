//! The copy of the rules: who is answered from it, who waits for another, and who needs none.

use std::sync::Arc;

use ebbtide::{NewRule, Scope};
use jiff::Timestamp;
use serde_json::json;

use super::api::{Api, Options};

/// Sets a rule beside the API, which would refuse one that names no period.
async fn set_beside(api: &Api, retention: &str) -> u64 {
    let rule = NewRule {
        scope: Scope::Workspace("w2".into()),
        retention: retention.into(),
        apply_to_past: true,
        created_at: Timestamp::now(),
    };
    let created = api.ledger.create_rule(&rule, "somebody else".into()).await;
    created.unwrap().id
}

#[tokio::test]
async fn guards_are_set_and_rules_mended_where_rules_cannot_be_read() {
    let api = Api::start().await;
    let id = set_beside(&api, "gold").await;
    let problem = api.get("/v1/policies/w1").await;
    let problem = problem.problem(503, "unusable-rules");
    let named = problem["rules"].to_string();
    assert!(named.contains(&format!("rule {id} ")), "{problem}");
    // Whose rule it is is nothing to a token that is bound to somebody else.
    for token in ["viewer-own", "viewer-org"] {
        let look_up = api.ask("GET", "/v1/policies/w1").by(token).send();
        let problem = look_up.await.problem(503, "unusable-rules");
        assert_eq!(problem.get("rules"), None, "{problem}");
    }
    let changes = [
        ("/v1/pauses", json!({"everything": true, "reason": "r"})),
        ("/v1/holds", json!({"workspace": "w1", "reason": "r"})),
        ("/v1/rules", json!({"workspace": "w1", "retention": "7d"})),
    ];
    for (path, body) in changes {
        let made = api.post(path, body).await.has(201);
        assert_eq!(made.json().get("effect"), None, "nobody can tell");
        api.get(made.header("location")).await.has(200);
        for list in [path.to_owned(), format!("{path}?history=true")] {
            let list = api.get(&list).await.has(200).json();
            assert!(!list["items"].as_array().unwrap().is_empty(), "{list}");
        }
        api.delete(made.header("location")).await.has(204);
    }
    let body = json!({"workspace": "w1", "reason": "r"});
    let pause = api.ask("POST", "/v1/pauses").by("operator-own").json(&body);
    pause.send().await.has(201);
    api.delete(&format!("/v1/rules/{id}")).await.has(204);
    api.get("/v1/policies/w1").await.has(200);
}

#[tokio::test]
async fn a_change_is_waited_for_by_the_token_that_made_it_alone() {
    let api = Api::start().await;
    let look_up = async |token: &str| {
        let ask = api.ask("GET", "/v1/policies/w1").by(token);
        ask.send().await.status.as_u16()
    };
    assert_eq!(look_up("viewer").await, 200);
    // Whoever needs another copy cannot have it.
    set_beside(&api, "gold").await;
    let everything = json!({"everything": true, "reason": "r"});
    api.post("/v1/pauses", everything).await.has(201);
    assert_eq!(look_up("viewer").await, 200, "from the copy of before");
    assert_eq!(look_up("admin").await, 503, "from a copy with the pause");
}

#[tokio::test]
async fn a_change_that_was_given_up_and_happened_is_seen_at_once() {
    let api = Api::with(Options {
        api: "  timeout: 300ms\n".into(),
        ..Options::default()
    })
    .await;
    let live = Arc::clone(&api.live.borrow());
    let path = live.config.ledger.url.strip_prefix("sqlite://").unwrap();
    let lock = rusqlite::Connection::open(path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rule = json!({"workspace": "w1", "retention": "9d"});
    let given_up = api.post("/v1/rules", rule).await;
    given_up.problem(408, "timeout");
    let before = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(before["retention"], "unlimited");
    lock.execute_batch("COMMIT").unwrap();
    while api
        .ledger
        .rules_after(0, false, 1)
        .await
        .unwrap()
        .is_empty()
    {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // The copy is too young to be compared with the ledger for its age.
    for _ in 0..10 {
        let policy = api.get("/v1/policies/w1").await.has(200).json();
        if policy["retention"] == "9d" {
            return;
        }
    }
    panic!("the copy of before is still used");
}
