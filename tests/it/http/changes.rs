//! Changes: what they answer, and what makes them safe to repeat.

use serde_json::json;

use super::api::{Api, Options};

#[tokio::test]
async fn a_rule_from_creation_to_deactivation() {
    let api = Api::start().await;
    let reply = api
        .post("/v1/rules", json!({"workspace": "w1", "retention": "7d"}))
        .await
        .has(201);
    let location = reply.header("location").to_owned();
    let created = reply.json();
    assert_eq!(location, format!("/v1/rules/{}", created["rule"]["id"]));
    assert_eq!(created.get("replaced"), None);
    assert_eq!(created["rule"]["created_by"], "admin");
    assert_eq!(created["rule"]["days"], 7);
    assert_eq!(created["effect"]["acts"], "after_approval");
    let first = api.get(&location).await.has(200);
    assert_eq!(first.json(), created["rule"]);
    assert_eq!(first.header("etag"), reply.header("etag"));
    // A second one replaces it, and says so.
    let body = json!({"workspace": "w1", "retention": "base_60d", "apply_to_past": false});
    let second = api.post("/v1/rules", body).await.has(201).json();
    assert_eq!(second["replaced"], created["rule"]["id"]);
    let first = api.get(&location).await.has(200);
    assert_eq!(first.json()["is_active"], false);
    assert_ne!(first.header("etag"), reply.header("etag"));
    // Its policy follows at once: own changes are seen by the next request.
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy["rule"]["id"], second["rule"]["id"]);
    let location = format!("/v1/rules/{}", second["rule"]["id"]);
    for _ in 0..2 {
        api.delete(&location).await.has(204);
    }
    let policy = api.get("/v1/policies/w1").await.has(200).json();
    assert_eq!(policy.get("rule"), None);
    assert_eq!(policy["retention"], "unlimited");
    let list = api.get("/v1/rules").await.has(200).json();
    assert_eq!(list["items"], json!([]));
    let list = api.get("/v1/rules?history=true").await.has(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_answer_says_when_a_rule_acts() {
    let cases = [
        ("required", "0s", "after_approval"),
        ("none", "0s", "at_once"),
        ("none", "1d", "when_armed"),
        ("required", "1d", "after_approval"),
    ];
    for (approval, armed_for, expected) in cases {
        let api = Api::with(Options {
            retention: format!(
                "  approval: {approval}\n  armed_for: {armed_for}\n  default: base_60d\n"
            ),
            ..Options::default()
        })
        .await;
        let set = async |retention: &str| {
            let body = json!({"organization": "acme", "retention": retention});
            api.post("/v1/rules", body).await.has(201).json()["effect"].clone()
        };
        let longer = set("unlimited").await;
        assert_eq!(
            longer["acts"], "at_once",
            "{approval} {armed_for}: {longer}"
        );
        let shorter = set("7d").await;
        assert_eq!(
            shorter["acts"], expected,
            "{approval} {armed_for}: {shorter}"
        );
        assert_eq!(
            shorter["armed_until"].is_string(),
            armed_for == "1d",
            "{shorter}"
        );
    }
}

#[tokio::test]
async fn if_match_guards_what_can_be_changed() {
    let api = Api::start().await;
    let things = [
        ("/v1/rules", json!({"workspace": "w1", "retention": "7d"})),
        ("/v1/holds", json!({"workspace": "w1", "reason": "r"})),
        ("/v1/pauses", json!({"workspace": "w1", "reason": "r"})),
    ];
    for (path, body) in things {
        let reply = api.post(path, body).await.has(201);
        let (location, etag) = (
            reply.header("location").to_owned(),
            reply.header("etag").to_owned(),
        );
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let delete = |tag: String| {
            api.ask("DELETE", &location)
                .by("admin")
                .header("if-match", &tag)
                .send()
        };
        let problem = delete("\"another\"".into())
            .await
            .problem(412, "precondition-failed");
        assert!(
            problem["detail"].as_str().unwrap().contains(&etag),
            "{problem}"
        );
        delete(format!("\"another\", {etag}")).await.has(204);
        delete(etag).await.problem(412, "precondition-failed");
        delete("*".into()).await.has(204);
        assert_eq!(
            api.get(&location)
                .await
                .has(200)
                .header("etag")
                .contains("active"),
            path == "/v1/rules"
        );
    }
}

#[tokio::test]
async fn a_request_under_a_key_acts_once() {
    let api = Api::start().await;
    let things = [
        (
            "/v1/rules",
            json!({"workspace": "w1", "retention": "7d"}),
            json!({"workspace": "w1", "retention": "8d"}),
        ),
        (
            "/v1/holds",
            json!({"workspace": "w1", "reason": "r"}),
            json!({"workspace": "w1", "reason": "s"}),
        ),
        (
            "/v1/pauses",
            json!({"workspace": "w1", "reason": "r"}),
            json!({"workspace": "w2", "reason": "r"}),
        ),
    ];
    for (path, body, other) in things {
        let ask = |token: &'static str, body: &serde_json::Value| {
            let key = format!("k1 of {path}");
            api.ask("POST", path)
                .by(token)
                .header("idempotency-key", &key)
                .json(body)
                .send()
        };
        let first = ask("admin", &body).await.has(201);
        let again = ask("admin", &body).await.has(201);
        assert_eq!(first.header("location"), again.header("location"), "{path}");
        let problem = ask("admin", &other).await.problem(422, "invalid");
        assert_eq!(
            problem["errors"][0]["field"], "Idempotency-Key",
            "{problem}"
        );
        // The key of another client is another key.
        let others = ask("operator", &body).await.has(201);
        if path != "/v1/pauses" {
            assert_ne!(
                first.header("location"),
                others.header("location"),
                "{path}"
            );
        }
        // Two at once.
        let at_once = || {
            let key = format!("k2 of {path}");
            api.ask("POST", path)
                .by("admin")
                .header("idempotency-key", &key)
                .json(&body)
                .send()
        };
        let (one, two) = tokio::join!(at_once(), at_once());
        assert_eq!(
            one.has(201).header("location"),
            two.has(201).header("location"),
            "{path}"
        );
    }
    for key in ["", &"k".repeat(256)] {
        let body = json!({"workspace": "w1", "retention": "7d"});
        let ask = api
            .ask("POST", "/v1/rules")
            .by("admin")
            .header("idempotency-key", key)
            .json(&body);
        ask.send().await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn pausing_twice_is_one_pause_and_resuming_wakes_the_loop() {
    let api = Api::start().await;
    let body = json!({"target": "spans", "reason": "migration"});
    let first = api.post("/v1/pauses", body.clone()).await.has(201);
    let second = api.post("/v1/pauses", body).await.has(201);
    assert_eq!(first.header("location"), second.header("location"));
    let woken = api.wake.notified();
    api.delete(first.header("location")).await.has(204);
    tokio::time::timeout(std::time::Duration::from_secs(5), woken)
        .await
        .expect("it is woken");
    let pause = api.get(first.header("location")).await.has(200).json();
    assert_eq!(pause["is_in_force"], false);
    assert_eq!(pause["ended_by"], "admin");
    // A later pause of the same target is another one.
    let third = api
        .post("/v1/pauses", json!({"target": "spans", "reason": "again"}))
        .await
        .has(201);
    assert_ne!(first.header("location"), third.header("location"));
    api.delete(first.header("location")).await.has(204);
    assert_eq!(
        api.get(third.header("location")).await.json()["is_in_force"],
        true
    );
}

#[tokio::test]
async fn names_are_any_text() {
    let api = Api::start().await;
    for name in [
        "a/b",
        "ä ö",
        "..",
        ".",
        "",
        " ",
        "%2F",
        "?&=#",
        "new\nline",
        "\0",
        "名前",
        "w1'--",
    ] {
        let body = json!({"workspace": name, "retention": "9d"});
        let rule = api.post("/v1/rules", body).await.has(201).json();
        assert_eq!(rule["rule"]["workspace"], name);
        let encoded =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let policy = api
            .get(&format!("/v1/policies?workspace={encoded}"))
            .await
            .has(200)
            .json();
        assert_eq!(
            (&policy["workspace"], &policy["retention"]),
            (&json!(name), &json!("9d"))
        );
        if !name.is_empty() {
            let policy = api
                .get(&format!("/v1/policies/{encoded}"))
                .await
                .has(200)
                .json();
            assert_eq!(
                (&policy["workspace"], &policy["retention"]),
                (&json!(name), &json!("9d")),
                "{encoded}"
            );
        }
        let list = api
            .get(&format!("/v1/rules?workspace={encoded}"))
            .await
            .has(200)
            .json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{encoded}");
    }
}
