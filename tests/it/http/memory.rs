//! The copy of the rules: who is answered from it, who waits for another, and who needs none.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// A machine that is very busy may take longer than a copy is trusted, and then nothing can be told
/// from an answer: it is tried again.
const MOST_ATTEMPTS: u32 = 30;

#[tokio::test]
async fn a_change_is_waited_for_by_the_token_that_made_it_alone() {
    for _ in 0..MOST_ATTEMPTS {
        let api = Api::start().await;
        let look_up = async |token: &str| {
            let ask = api.ask("GET", "/v1/policies/w1").by(token);
            ask.send().await.status.as_u16()
        };
        let began_at = Instant::now();
        assert_eq!(look_up("viewer").await, 200);
        // Whoever needs another copy cannot have it.
        set_beside(&api, "gold").await;
        let everything = json!({"everything": true, "reason": "r"});
        api.post("/v1/pauses", everything).await.has(201);
        let of_another = look_up("viewer").await;
        let is_young = began_at.elapsed() < Duration::from_millis(1_900);
        let of_its_own = look_up("admin").await;
        if is_young {
            assert_eq!(of_another, 200, "from the copy of before");
            assert_eq!(of_its_own, 503, "from a copy with the pause");
            return;
        }
    }
    panic!("the machine is too busy to tell");
}

#[tokio::test]
async fn a_change_that_was_given_up_and_happened_is_seen_at_once() {
    let api = Api::with(Options {
        api: "  timeout: 1s\n".into(),
        ..Options::default()
    })
    .await;
    let live = Arc::clone(&api.live.borrow());
    let path = live.config.ledger.url.strip_prefix("sqlite://").unwrap();
    let lock = rusqlite::Connection::open(path).unwrap();
    let mut rules = 0;
    for days in 9..9 + MOST_ATTEMPTS {
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let retention = format!("{days}d");
        let rule = json!({"workspace": "w1", "retention": retention});
        let given_up = api.post("/v1/rules", rule).await;
        given_up.problem(408, "timeout");
        let asked_at = Instant::now();
        let before = api.get("/v1/policies/w1").await;
        lock.execute_batch("COMMIT").unwrap();
        while api
            .ledger
            .rules_after(rules, false, 1)
            .await
            .unwrap()
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rules = api.ledger.rules_after(rules, false, 1).await.unwrap()[0].id;
        if before.status == 200 {
            assert_ne!(before.json()["retention"], *retention);
        }
        // Until then the copy is too young to be compared with the ledger for its age.
        while asked_at.elapsed() < Duration::from_millis(450) {
            let policy = api.get("/v1/policies/w1").await;
            if policy.status == 200 && policy.json()["retention"] == *retention {
                return;
            }
        }
    }
    panic!("the copy of before is still used");
}
