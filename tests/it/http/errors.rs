//! Errors: each kind is a problem document, and says what to do.

use serde_json::json;

use super::api::{Api, Options};

#[tokio::test]
async fn without_a_known_token_nobody_gets_in() {
    let api = Api::start().await;
    for header in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer wrong"),
        Some("Basic YTpi"),
        Some("Bearer admin2"),
    ] {
        let mut ask = api.ask("GET", "/v1/rules");
        if let Some(header) = header {
            ask = ask.header("authorization", header);
        }
        let reply = ask.send().await;
        assert!(
            reply.header("www-authenticate").starts_with("Bearer"),
            "{reply:?}"
        );
        reply.problem(401, "unauthenticated");
    }
    // The scheme is not case-sensitive, and the token is.
    api.ask("GET", "/v1/rules")
        .header("authorization", "bearer admin")
        .send()
        .await
        .has(200);
    api.ask("GET", "/v1/rules")
        .by("ADMIN")
        .send()
        .await
        .has(401);
    api.ask("GET", "/v1/nothing")
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn without_any_token_configured_the_answer_says_what_to_do() {
    let api = Api::start().await;
    api.reload(|config| config.api.tokens.clear());
    let problem = api.get("/v1/rules").await.problem(401, "unauthenticated");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("ebbtide token")
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed() {
    let api = Api::start().await;
    for body in [
        "",
        "{",
        "[1,]",
        "{\"workspace\": 1,}",
        "{\"a\": nul}",
        "{\"retention\": \"7d\"} x",
        "\u{feff}{}",
        "{\"workspace\": \"\\ud800\"}",
    ] {
        let ask = api.ask("POST", "/v1/rules").by("admin");
        let ask = ask
            .header("content-type", "application/json")
            .body(body.to_owned());
        ask.send().await.problem(400, "malformed");
    }
    let deep = "[".repeat(100_000);
    let ask = api
        .ask("POST", "/v1/rules")
        .by("admin")
        .header("content-type", "application/json");
    ask.body(deep).send().await.has(400);
    api.get("/v1/policies/%FF").await.problem(400, "malformed");
    api.get("/v1/policies/w1?project=%FF")
        .await
        .problem(400, "malformed");
}

#[tokio::test]
async fn fields_that_make_no_sense_are_named() {
    let api = Api::start().await;
    let cases = [
        (json!(["acme", null, null, "7d", true]), "."),
        (json!("w1"), "."),
        (json!({}), "retention"),
        (json!({"workspace": "w1"}), "retention"),
        (json!({"workspace": "w1", "retention": 7}), "retention"),
        (json!({"workspace": "w1", "retention": "7"}), "retention"),
        (json!({"workspace": "w1", "retention": "0d"}), "retention"),
        (json!({"workspace": "w1", "retention": "gold"}), "retention"),
        (
            json!({"workspace": "w1", "retention": "7d", "retentoin": 1}),
            "retentoin",
        ),
        (json!({"retention": "7d"}), "workspace"),
        (json!({"project": "p", "retention": "7d"}), "workspace"),
        (
            json!({"organization": "o", "workspace": "w", "retention": "7d"}),
            "organization",
        ),
        (
            json!({"workspace": "w1", "retention": "7d", "apply_to_past": "yes"}),
            "apply_to_past",
        ),
    ];
    for (body, field) in cases {
        let problem = api
            .post("/v1/rules", body.clone())
            .await
            .problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        assert_eq!(problem["errors"][0]["in"], "body", "{problem}");
    }
    for (path, field) in [
        ("/v1/rules?limit=0", "limit"),
        ("/v1/rules?limit=501", "limit"),
        ("/v1/rules?limit=-1", "limit"),
        ("/v1/rules?limit=99999999999999999999", "limit"),
        ("/v1/rules?limit=1&limit=2", "limit"),
        ("/v1/rules?cursor=x", "cursor"),
        ("/v1/rules?colour=red", "colour"),
        ("/v1/rules?history=perhaps", "history"),
        ("/v1/rules?project=p", "workspace"),
        ("/v1/policies/w1?row_time=yesterday", "row_time"),
        (
            "/v1/policies/w1?row_time=00000000-0000-4000-8000-000000000000",
            "row_time",
        ),
        ("/v1/policies?project=p", "workspace"),
    ] {
        let problem = api.get(path).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
        assert_eq!(problem["errors"][0]["in"], "query", "{problem}");
    }
    let problem = api.get("/v1/rules/one").await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["in"], "path");
    let holds = [
        (json!({"workspace": "w1", "reason": " "}), "reason"),
        (
            json!({"workspace": "w1", "reason": "r", "from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}),
            "until",
        ),
        (
            json!({"workspace": "w1", "reason": "r", "from": "soon"}),
            "from",
        ),
    ];
    for (body, field) in holds {
        let problem = api.post("/v1/holds", body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let problem = api
        .post("/v1/pauses", json!({"target": "tracse", "reason": "r"}))
        .await;
    let problem = problem.problem(422, "invalid");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("spans, traces"),
        "it lists the targets: {detail}"
    );
    api.post("/v1/pauses", json!({"reason": "r"}))
        .await
        .problem(422, "invalid");
}

#[tokio::test]
async fn texts_have_a_length_that_is_enforced_and_described() {
    let api = Api::with(Options {
        with_mysql: true,
        ..Options::default()
    })
    .await;
    let cases = [
        ("/v1/rules", "RuleRequest", "organization", 1_024),
        ("/v1/rules", "RuleRequest", "workspace", 1_024),
        ("/v1/rules", "RuleRequest", "project", 1_024),
        ("/v1/rules", "RuleRequest", "retention", 1_024),
        ("/v1/rules/preview", "PreviewRequest", "workspace", 1_024),
        ("/v1/rules/preview", "PreviewRequest", "retention", 1_024),
        ("/v1/holds", "HoldRequest", "workspace", 1_024),
        ("/v1/holds", "HoldRequest", "reason", 4_096),
        ("/v1/holds", "HoldRequest", "owner", 4_096),
        ("/v1/pauses", "PauseRequest", "workspace", 1_024),
        ("/v1/pauses", "PauseRequest", "reason", 4_096),
    ];
    let description = ebbtide::http::description();
    let description = serde_json::to_value(description).unwrap();
    for (path, schema, field, longest) in cases {
        let mut body = match path {
            "/v1/holds" | "/v1/pauses" => json!({"workspace": "w1", "reason": "r"}),
            _ => json!({"workspace": "w1", "retention": "7d"}),
        };
        if field == "organization" {
            body.as_object_mut().unwrap().remove("workspace");
        }
        // Bytes are counted, not letters.
        body[field] = json!("ä".repeat(longest / 2 + 1));
        let problem = api.post(path, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(&longest.to_string()), "{path}: {detail}");
        let properties = &description["components"]["schemas"][schema]["properties"];
        assert_eq!(properties[field]["maxLength"], longest, "{schema}.{field}");
        let is_saved = matches!(path, "/v1/holds" | "/v1/pauses" | "/v1/rules");
        if is_saved && field != "retention" {
            body[field] = json!("ä".repeat(longest / 2));
            api.post(path, body).await.has(201);
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_methods_are_named() {
    let api = Api::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/rules",
        "/v1/rules/",
        "/v1/rules/1",
        "/v1/rules/18446744073709551615",
        "/v1/holds/1",
        "/v1/pauses/1",
        "/v1/plans/x",
        "/v1/cycles/x",
        "/v1/cycles/x/steps",
        "/v1/policies/",
    ] {
        api.get(path).await.problem(404, "not-found");
    }
    api.delete("/v1/rules/1").await.problem(404, "not-found");
    let reply = api.ask("PUT", "/v1/rules").by("admin").send().await;
    let allowed = reply.header("allow");
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    reply.problem(405, "method-not-allowed");
    api.ask("POST", "/health/livez")
        .send()
        .await
        .problem(405, "method-not-allowed");
    // HEAD is GET without a body.
    assert_eq!(
        api.ask("HEAD", "/v1/rules")
            .by("viewer")
            .send()
            .await
            .has(200)
            .text,
        ""
    );
}

#[tokio::test]
async fn a_body_must_be_json_and_may_not_be_too_large() {
    let api = Api::with(Options {
        api: "  body_limit: 1000\n".into(),
        ..Options::default()
    })
    .await;
    let text = json!({"workspace": "w1", "retention": "7d"}).to_string();
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
    ] {
        let mut ask = api.ask("POST", "/v1/rules").by("admin").body(text.clone());
        if !kind.is_empty() {
            ask = ask.header("content-type", kind);
        }
        ask.send().await.problem(415, "media-type");
    }
    let ask = api
        .ask("POST", "/v1/rules")
        .by("admin")
        .header("content-type", "application/JSON; charset=utf-8");
    ask.body(text).send().await.has(201);
    let long = json!({"workspace": "w".repeat(1_000), "retention": "7d"});
    api.post("/v1/rules", long.clone())
        .await
        .problem(413, "too-large");
    // Without a length in front it is counted as it comes.
    let chunks = long.to_string().into_bytes();
    let chunks = chunks
        .chunks(100)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect::<Vec<_>>();
    let body = axum::body::Body::from_stream(futures_util::stream::iter(chunks));
    let ask = api
        .ask("POST", "/v1/rules")
        .by("admin")
        .header("content-type", "application/json");
    ask.body(body).send().await.problem(413, "too-large");
}

#[tokio::test]
async fn every_answer_has_the_headers_of_safety_and_is_told_to_the_observer() {
    let api = Api::start().await;
    for path in ["/v1/rules", "/v1/nothing", "/health/livez", "/metrics"] {
        let reply = api.get(path).await;
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'"),
            "{path}"
        );
    }
    api.get("/v1/rules/7").await.has(404);
    let answered = api.answered.lock().unwrap().clone();
    assert!(
        answered.contains(&("/v1/rules/{id}".into(), "GET".into(), 404)),
        "{answered:?}"
    );
    assert!(
        answered.contains(&("none".into(), "GET".into(), 404)),
        "{answered:?}"
    );
}

#[tokio::test]
async fn no_answer_tells_what_the_servers_said() {
    // ClickHouse is nowhere.
    let api = Api::start().await;
    let problem = api
        .post("/v1/plans", json!({}))
        .await
        .problem(503, "unavailable");
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
}

#[tokio::test]
async fn health_needs_no_token_and_says_when_it_is_not_ready() {
    let api = Api::start().await;
    api.ask("GET", "/health/livez").send().await.has(200);
    api.ask("GET", "/health/readyz").send().await.has(200);
    let metrics = api.ask("GET", "/metrics").send().await.has(200);
    assert_eq!(metrics.text, "ebbtide_build_info 1\n");
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let mut status = super::api::idle();
    status.phase = ebbtide::Phase::Starting;
    status.reason = "the ledger mysql://someone@db:3306/secret cannot be reached".into();
    api.status.send_replace(status);
    api.ask("GET", "/health/livez").send().await.has(200);
    let reply = api.ask("GET", "/health/readyz").send().await.has(503);
    let reason = reply.json()["reasons"][0].as_str().unwrap().to_owned();
    assert!(reason.contains("cannot be reached"), "{reason}");
    assert!(!reply.text.contains("someone"), "{reply:?}");
    assert_eq!(
        api.get("/v1/status").await.has(200).json()["phase"],
        "starting"
    );
}
