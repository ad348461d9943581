//! Limits of time and number, and the end.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::api::{Api, Options};

/// Waits for a state without keeping the server of the test from its work.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1_500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited 30 s for: {what}");
}

/// A body that begins and does not end.
fn endless() -> Body {
    let begin = futures_util::stream::iter([Ok::<_, std::io::Error>("{\"workspace\":".to_owned())]);
    Body::from_stream(begin.chain(futures_util::stream::pending()))
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let api = Api::with(Options {
        api: "  timeout: 300ms\n".into(),
        ..Options::default()
    })
    .await;
    let ask = api
        .ask("POST", "/v1/rules")
        .by("admin")
        .header("content-type", "application/json");
    let problem = ask.body(endless()).send().await.problem(408, "timeout");
    assert!(
        problem["detail"].as_str().unwrap().contains("300ms"),
        "{problem}"
    );
    api.get("/v1/rules").await.has(200);
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_again_and_health_still_answers() {
    let api = Api::start().await;
    let hanging = (0..256).map(|_| {
        let ask = api
            .ask("POST", "/v1/rules")
            .by("admin")
            .header("content-type", "application/json");
        ask.body(endless()).send()
    });
    let all = futures_util::future::join_all(hanging);
    let look = async {
        for _ in 0..500 {
            let reply = api.get("/v1/status").await;
            if reply.status == 503 {
                assert_eq!(reply.header("retry-after"), "5");
                reply.problem(503, "busy");
                api.ask("GET", "/health/livez").send().await.has(200);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let was_busy = tokio::select! {
        _ = all => false,
        was_busy = look => was_busy,
    };
    assert!(was_busy);
    // They went away, and their places are free again.
    for _ in 0..500 {
        if api.get("/v1/status").await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("their places are never free again");
}

#[tokio::test]
async fn whoever_sends_no_body_keeps_nobody_from_probing() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    let rule = json!({"workspace": "w1", "retention": "50d"});
    let hanging = (0..20).map(|_| {
        let ask = api
            .ask("POST", "/v1/rules/preview")
            .by("operator-own")
            .header("content-type", "application/json");
        ask.body(endless()).send()
    });
    let all = futures_util::future::join_all(hanging);
    let look = async {
        for path in ["/v1/rules/preview", "/v1/plans"] {
            let body = if path == "/v1/plans" {
                json!({})
            } else {
                rule.clone()
            };
            let reply = api.post(path, body).await;
            assert!(reply.status.is_success(), "{path}: {reply:?}");
        }
    };
    tokio::select! {
        _ = all => panic!("they do not end"),
        () = look => {}
    }
}

#[tokio::test]
async fn a_body_must_come_in_time_also_where_the_answer_may_take_longer() {
    let api = Api::with(Options {
        api: "  timeout: 300ms\n".into(),
        ..Options::default()
    })
    .await;
    let ask = api
        .ask("POST", "/v1/plans")
        .by("admin")
        .header("content-type", "application/json");
    ask.body(endless()).send().await.problem(408, "timeout");
}

#[tokio::test]
async fn one_request_of_a_token_probes_at_a_time_and_the_same_makes_one_plan() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    let same = || {
        let ask = api.ask("POST", "/v1/plans").by("admin");
        ask.header("idempotency-key", "k").json(&json!({})).send()
    };
    let replies = futures_util::future::join_all((0..8).map(|_| same())).await;
    let mut made = Vec::new();
    for reply in replies {
        match reply.status.as_u16() {
            503 => drop(reply.problem(503, "busy")),
            _ => made.push(reply.has(201).header("location").to_owned()),
        }
    }
    made.push(same().await.has(201).header("location").to_owned());
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
    let plans = api.get("/v1/plans").await.json();
    assert_eq!(plans["items"].as_array().unwrap().len(), 1, "{plans}");
    // It is found before a plan is made: nobody needs ClickHouse for it.
    api.reload(|config| config.targets[0].table = "gone".into());
    same().await.has(201);
    let other = api.ask("POST", "/v1/plans").by("admin");
    let other = other.header("idempotency-key", "other").json(&json!({}));
    assert!(other.send().await.status.is_server_error());
}

#[tokio::test]
async fn a_client_that_stays_silent_is_cut_off() {
    let api = Api::start().await;
    let address = api.url.trim_start_matches("http://");
    let silences: [&[u8]; 6] = [
        b"",
        // What may become HTTP/2 still.
        b"P",
        b"PRI * HT",
        b"GET /health/livez HTTP/1.1\r\nhost: h\r\n",
        b"GET /health/livez HTTP/1.1\r\nhost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let ends = silences.map(async |sent| {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        // The server ends the connection; a reset is an end too.
        let end = socket.read_to_end(&mut answer);
        let end = tokio::time::timeout(Duration::from_secs(15), end).await;
        end.is_ok().then_some(sent)
    });
    let ended = futures_util::future::join_all(ends).await;
    assert_eq!(ended, silences.map(Some));
}

#[tokio::test]
async fn the_end_lets_a_request_at_work_finish() {
    let api = Api::start().await;
    let (rest, body) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(2);
    rest.send(Ok("{\"workspace\": \"w1\",".into()))
        .await
        .unwrap();
    let stream = futures_util::stream::unfold(body, |mut body| async move {
        body.recv().await.map(|chunk| (chunk, body))
    });
    let ask = api
        .ask("POST", "/v1/rules")
        .by("admin")
        .header("content-type", "application/json");
    let sent = ask.body(Body::from_stream(stream)).send();
    let address = api.url.trim_start_matches("http://").to_owned();
    let end = async {
        // It is at work once its body is read.
        until("the body is read", async || rest.capacity() == 2).await;
        api.shutdown.cancel();
        until("nobody listens any more", async || {
            tokio::net::TcpStream::connect(&address).await.is_err()
        })
        .await;
        rest.send(Ok("\"retention\": \"7d\"}".into()))
            .await
            .unwrap();
        drop(rest);
    };
    let (reply, ()) = tokio::join!(sent, end);
    reply.has(201);
    assert!(api.stop().await.is_ok());
}

#[tokio::test]
async fn a_reload_changes_tokens_and_limits_without_a_restart() {
    let api = Api::start().await;
    api.ask("GET", "/v1/rules")
        .by("viewer")
        .send()
        .await
        .has(200);
    api.reload(|config| {
        config.api.tokens.retain(|token| &*token.name != "viewer");
        config.api.body_limit = 10;
    });
    api.ask("GET", "/v1/rules")
        .by("viewer")
        .send()
        .await
        .has(401);
    let body = json!({"workspace": "w1", "retention": "7d"});
    api.post("/v1/rules", body).await.problem(413, "too-large");
}

#[tokio::test]
async fn a_token_that_changes_too_often_is_told_when_to_come_again() {
    let api = Api::with(Options {
        api: "  requests_per_minute: 20\n".into(),
        ..Options::default()
    })
    .await;
    let change = async |token| {
        let body = json!({"workspace": "w1", "reason": "audit"});
        let ask = api.ask("POST", "/v1/holds").by(token);
        ask.json(&body).send().await
    };
    // A tenth at once, and then one every three seconds.
    for _ in 0..2 {
        change("operator").await.has(201);
    }
    let reply = change("operator").await;
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=4).contains(&wait), "{reply:?}");
    let problem = reply.problem(429, "too-often");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("20 changes a minute"), "{detail}");
    // Others may change, and all may look.
    change("admin").await.has(201);
    for _ in 0..10 {
        let look = api.ask("GET", "/v1/holds").by("operator");
        look.send().await.has(200);
    }
    // A reload gives it another rate.
    api.reload(|config| config.api.requests_per_minute = 600.try_into().unwrap());
    for _ in 0..20 {
        change("operator").await.has(201);
    }
    // Whoever may not change anything uses nothing up.
    change("viewer").await.has(403);
}
