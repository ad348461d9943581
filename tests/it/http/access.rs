//! Who may do what: every route, every role, every binding, from one table.

use std::collections::BTreeSet;

use ebbtide::{CycleStart, SlotRange};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Api, CALLERS, Options, Reply};

/// What becomes of a token that is bound to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// A bound token may not use the route at all.
    Never,
    /// The thing does not exist for it.
    NotFound,
    /// It may not create the thing.
    Forbidden,
    /// It sees an empty list.
    Empty,
}

use Bound::{Empty, Forbidden, Never, NotFound};

/// Method, path, role, what becomes of foreign tokens, and the status of success. In a path, `{…}` is
/// a thing of workspace `w1`.
const ROUTES: [(&str, &str, &str, Bound, u16); 24] = [
    ("GET", "/v1/rules", "viewer", Empty, 200),
    ("POST", "/v1/rules", "operator", Forbidden, 201),
    ("POST", "/v1/rules/preview", "operator", Forbidden, 200),
    ("GET", "/v1/rules/{id}", "viewer", NotFound, 200),
    ("DELETE", "/v1/rules/{id}", "operator", NotFound, 204),
    ("GET", "/v1/policies", "viewer", NotFound, 200),
    ("GET", "/v1/policies/{workspace}", "viewer", NotFound, 200),
    ("GET", "/v1/plans", "viewer", Never, 200),
    ("POST", "/v1/plans", "operator", Never, 201),
    ("GET", "/v1/plans/{id}", "viewer", Never, 200),
    ("POST", "/v1/plans/{id}/approve", "admin", Never, 200),
    ("GET", "/v1/cycles", "viewer", Never, 200),
    ("GET", "/v1/cycles/{id}", "viewer", Never, 200),
    ("GET", "/v1/cycles/{id}/steps", "viewer", Never, 200),
    ("GET", "/v1/holds", "viewer", Empty, 200),
    ("POST", "/v1/holds", "operator", Forbidden, 201),
    ("GET", "/v1/holds/{id}", "viewer", NotFound, 200),
    ("DELETE", "/v1/holds/{id}", "admin", NotFound, 204),
    ("GET", "/v1/pauses", "viewer", Empty, 200),
    ("POST", "/v1/pauses", "operator", Forbidden, 201),
    ("GET", "/v1/pauses/{id}", "viewer", NotFound, 200),
    ("DELETE", "/v1/pauses/{id}", "operator", NotFound, 204),
    ("GET", "/v1/status", "viewer", Never, 200),
    ("GET", "/v1/audit", "admin", Never, 200),
];

#[test]
fn the_table_and_the_description_name_the_same_routes_and_roles() {
    let text = std::fs::read_to_string("docs/openapi.json").unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let words = &operation["security"][0]["token"];
            if path.starts_with("/v1") {
                assert!(words.is_array(), "{method} {path} needs no token");
            }
            if let Some(words) = words.as_array() {
                let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
                described.insert((method.to_uppercase(), path.clone(), words.join(" ")));
            }
        }
    }
    let table = ROUTES.iter().map(|(method, path, role, bound, _)| {
        let unbound = if *bound == Never { " unbound" } else { "" };
        (
            (*method).to_owned(),
            (*path).to_owned(),
            format!("{role}{unbound}"),
        )
    });
    assert_eq!(described, table.collect());
}

fn rank(role: &str) -> usize {
    ["viewer", "operator", "admin"]
        .iter()
        .position(|known| *known == role)
        .unwrap()
}

#[tokio::test]
async fn every_route_for_every_role_and_binding() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    for (method, path, role, bound, success) in ROUTES {
        for (name, has, of) in CALLERS {
            let (path_of_w1, body) = prepare(&api, method, path).await;
            // What it made is seen by all once it has seen it itself.
            api.get("/v1/policies/w1").await.has(200);
            let is_foreign = of.contains("w9") || of.contains("other");
            let expected = if rank(has) < rank(role) || (!of.is_empty() && bound == Never) {
                403
            } else if is_foreign {
                match bound {
                    NotFound => 404,
                    Forbidden | Never => 403,
                    Empty => success,
                }
            } else {
                success
            };
            let mut ask = api.ask(method, &path_of_w1).by(name);
            if let Some(body) = &body {
                ask = ask.json(body);
            }
            let reply: Reply = ask.send().await;
            let what = format!("{method} {path_of_w1} by {name}");
            assert_eq!(reply.status.as_u16(), expected, "{what}: {reply:?}");
            if bound == Empty && expected == 200 {
                let n_items = reply.json()["items"].as_array().unwrap().len();
                assert_eq!(n_items == 0, is_foreign, "{what}: {reply:?}");
            }
            let tells_the_name = expected == 404 && reply.text.contains("w1");
            assert!(!tells_the_name, "{what}: {reply:?}");
            let nobody = api.ask(method, &path_of_w1).send().await;
            assert_eq!(nobody.status.as_u16(), 401, "{what}");
        }
    }
    assert!(api.stop().await.is_ok());
}

/// The path with a thing of `w1` in it, made anew, and the body if the route has one.
async fn prepare(api: &Api, method: &str, path: &str) -> (String, Option<Value>) {
    let rule = json!({"workspace": "w1", "retention": "7d"});
    let hold = json!({"workspace": "w1", "project": "p", "reason": "audit"});
    let pause = json!({"workspace": "w1", "reason": "migration"});
    let body = match (method, path) {
        ("POST", "/v1/rules" | "/v1/rules/preview") => Some(rule.clone()),
        ("POST", "/v1/holds") => Some(hold.clone()),
        ("POST", "/v1/pauses") => Some(pause.clone()),
        ("POST", "/v1/plans") => Some(json!({})),
        _ => None,
    };
    let made = |location: Reply| location.has(201).header("location").to_owned();
    let thing = match path {
        "/v1/rules" | "/v1/rules/{id}" => made(api.post("/v1/rules", rule).await),
        "/v1/holds" | "/v1/holds/{id}" => made(api.post("/v1/holds", hold).await),
        "/v1/pauses" | "/v1/pauses/{id}" => made(api.post("/v1/pauses", pause).await),
        "/v1/plans/{id}" | "/v1/plans/{id}/approve" => made(api.post("/v1/plans", json!({})).await),
        "/v1/cycles/{id}" | "/v1/cycles/{id}/steps" => format!("/v1/cycles/{}", cycle(api).await),
        _ => String::new(),
    };
    let path = match path {
        "/v1/policies" => "/v1/policies?workspace=w1".to_owned(),
        path if path.contains("{id}") => {
            let after = path.split("{id}").nth(1).unwrap();
            format!("{thing}{after}")
        }
        path => path.replace("{workspace}", "w1"),
    };
    (path, body)
}

async fn cycle(api: &Api) -> String {
    let id = uuid::Uuid::now_v7().to_string();
    let start = CycleStart {
        id: id.clone(),
        started_at: Timestamp::now(),
        as_of: Timestamp::now(),
        rules_digest: "d".into(),
        revision: 1,
        kind: "slot".into(),
        plan_digest: "d".into(),
        slot: Some(("2026-11-21".into(), SlotRange::ALL)),
        holder: "test".into(),
        lease_token: 1,
        asked: None,
    };
    api.ledger.begin_cycle(&start).await.unwrap();
    id
}

#[tokio::test]
async fn a_bound_token_creates_nothing_wider_than_it_is() {
    let api = Api::start().await;
    let cases = [
        ("operator-own", json!({"organization": "acme"}), 403),
        ("operator-own", json!({"workspace": "w2"}), 403),
        ("operator-own", json!({"workspace": "W1"}), 403),
        (
            "operator-own",
            json!({"workspace": "w1", "project": "p"}),
            201,
        ),
        ("operator-org", json!({"organization": "acme"}), 201),
        ("operator-org", json!({"organization": "other"}), 403),
        (
            "operator-org",
            json!({"workspace": "w2", "project": "p"}),
            201,
        ),
        ("operator-org", json!({"workspace": "w9"}), 403),
        ("operator-org", json!({"workspace": "nobody knows it"}), 403),
    ];
    for (token, scope, expected) in cases {
        for (path, more) in [
            ("/v1/rules", json!({"retention": "7d"})),
            ("/v1/holds", json!({"reason": "r"})),
        ] {
            let mut body = scope.clone();
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let reply = api.ask("POST", path).by(token).json(&body).send().await;
            assert_eq!(reply.status.as_u16(), expected, "{token} {body}: {reply:?}");
        }
    }
    for body in [
        json!({"everything": true, "reason": "r"}),
        json!({"target": "spans", "reason": "r"}),
        json!({"workspace": "w9", "reason": "r"}),
    ] {
        let reply = api
            .ask("POST", "/v1/pauses")
            .by("admin-org")
            .json(&body)
            .send()
            .await;
        reply.problem(403, "forbidden");
    }
    // What others did is not in its lists.
    api.post(
        "/v1/pauses",
        json!({"everything": true, "reason": "secret plans"}),
    )
    .await
    .has(201);
    api.post(
        "/v1/holds",
        json!({"organization": "acme", "reason": "a legal matter"}),
    )
    .await
    .has(201);
    let pauses = api
        .ask("GET", "/v1/pauses")
        .by("admin-own")
        .send()
        .await
        .has(200);
    assert_eq!(pauses.json()["items"], json!([]));
    let holds = api
        .ask("GET", "/v1/holds")
        .by("admin-own")
        .send()
        .await
        .has(200)
        .json();
    let holds = holds["items"].as_array().unwrap().clone();
    assert!(
        holds.iter().all(|hold| hold["workspace"] == "w1"),
        "{holds:?}"
    );
    // The policy says why they are there to who may know it, and that they are to others.
    let policy = api.get("/v1/policies/w1").await;
    assert!(
        policy.text.contains("secret") && policy.text.contains("legal"),
        "{policy:?}"
    );
    let policy = api
        .ask("GET", "/v1/policies/w1")
        .by("viewer-own")
        .send()
        .await
        .has(200);
    assert!(
        !policy.text.contains("secret") && !policy.text.contains("legal"),
        "{policy:?}"
    );
    assert_eq!(policy.json()["pauses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_directory_decides_at_once_whose_a_workspace_is() {
    let api = Api::start().await;
    api.ask("GET", "/v1/policies/w1")
        .by("viewer-org")
        .send()
        .await
        .has(200);
    let mut moved = [Ok(("w1".into(), "other".into()))].into_iter();
    api.ledger.put_workspaces(&mut moved, "test").await.unwrap();
    let mut status = 200;
    for _ in 0..100 {
        status = api
            .ask("GET", "/v1/policies/w1")
            .by("viewer-org")
            .send()
            .await
            .status
            .as_u16();
        if status == 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 404);
    api.ask("GET", "/v1/policies/w1")
        .by("viewer-other-org")
        .send()
        .await
        .has(200);
}
