//! Rules, holds and pauses that no table can follow are not saved: they would mean nobody.

use serde_json::{Value, json};

use super::api::{Api, Options};

/// Everything that names a project or a workspace, and is not a pause.
fn requests(scope: &Value) -> [(&'static str, Value); 3] {
    let with = |more: Value| {
        let mut body = scope.clone();
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body
    };
    [
        ("/v1/rules", with(json!({"retention": "7d"}))),
        ("/v1/rules/preview", with(json!({"retention": "7d"}))),
        ("/v1/holds", with(json!({"reason": "audit"}))),
    ]
}

async fn refused(api: &Api, path: &str, body: Value, field: &str, says: &str) {
    let problem = api.post(path, body).await.problem(422, "invalid");
    let error = &problem["errors"][0];
    assert_eq!(error["field"], field, "{path}: {problem}");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains(says), "{path}: {detail}");
}

async fn nothing_is_saved(api: &Api) {
    for path in ["/v1/rules", "/v1/holds", "/v1/pauses"] {
        assert_eq!(api.get(path).await.json()["items"], json!([]), "{path}");
    }
}

#[tokio::test]
async fn a_project_is_refused_where_a_target_has_no_project_column() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    api.reload(|config| config.targets[1].project = None);
    for (path, body) in requests(&json!({"workspace": "w1", "project": "p"})) {
        refused(&api, path, body, "project", "traces").await;
    }
    nothing_is_saved(&api).await;
    // A tenant cannot stop the deletes of everybody.
    api.post("/v1/plans", json!({})).await.has(201);
    for (path, body) in requests(&json!({"workspace": "w1"})) {
        let reply = api.post(path, body).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn names_in_another_spelling_than_the_column_are_refused_with_the_right_one() {
    let api = Api::with(Options {
        with_clickhouse: true,
        ..Options::default()
    })
    .await;
    let database = api.database.as_ref().unwrap();
    let create = "CREATE TABLE events (w UUID, p UInt16, at DateTime('UTC')) \
                  ENGINE = MergeTree ORDER BY w";
    database.client().query(create).execute().await.unwrap();
    api.reload(|config| {
        config.targets.truncate(1);
        config.targets[0].table = "events".into();
    });
    let (upper, lower) = (
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    );
    for (path, body) in requests(&json!({"workspace": upper})) {
        refused(&api, path, body, "workspace", lower).await;
    }
    let pause = json!({"workspace": upper, "reason": "r"});
    refused(&api, "/v1/pauses", pause, "workspace", lower).await;
    for (path, body) in requests(&json!({"workspace": lower, "project": "07"})) {
        refused(&api, path, body, "project", "\"7\"").await;
    }
    nothing_is_saved(&api).await;
    for (path, body) in requests(&json!({"workspace": lower, "project": "7"})) {
        let reply = api.post(path, body).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
    }
    api.post("/v1/plans", json!({})).await.has(201);
}

#[tokio::test]
async fn without_a_server_to_ask_rules_are_saved_all_the_same() {
    let api = Api::start().await;
    let body = json!({"workspace": "ABC", "project": "07", "reason": "audit"});
    api.post("/v1/holds", body).await.has(201);
}
