//! Pages: to the end, and nothing twice.

use serde_json::{Value, json};

use super::api::Api;

async fn all(api: &Api, path: &str, token: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let path = format!("{path}limit=3{cursor}");
        let page = api.ask("GET", &path).by(token).send().await.has(200).json();
        let found = page["items"].as_array().unwrap().clone();
        assert!(found.len() <= 3, "{page}");
        items.extend(found);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    panic!("{path} never ends");
}

#[tokio::test]
async fn every_list_goes_to_its_end() {
    let api = Api::start().await;
    for number in 0..10 {
        let body = json!({"workspace": "w1", "project": format!("p{number}"), "retention": "7d"});
        api.post("/v1/rules", body).await.has(201);
        let body = json!({"workspace": "w2", "retention": format!("{}d", number + 1)});
        api.post("/v1/rules", body).await.has(201);
        let body = json!({"workspace": "w2", "reason": "r"});
        api.post("/v1/holds", body).await.has(201);
        api.post(
            "/v1/pauses",
            json!({"workspace": format!("w{number}"), "reason": "r"}),
        )
        .await
        .has(201);
    }
    let ids = |items: &[Value]| -> Vec<u64> {
        items
            .iter()
            .map(|item| item["id"].as_u64().unwrap())
            .collect()
    };
    for (path, token, n_items) in [
        ("/v1/rules?", "admin", 11),
        ("/v1/rules?history=true&", "admin", 20),
        ("/v1/rules?workspace=w1&", "admin", 10),
        ("/v1/rules?workspace=w1&project=p3&", "admin", 1),
        ("/v1/rules?workspace=w2&history=true&", "admin", 10),
        ("/v1/rules?organization=acme&", "admin", 0),
        ("/v1/rules?", "viewer-own", 10),
        ("/v1/rules?history=true&", "viewer-org", 20),
        ("/v1/rules?history=true&", "viewer-other-org", 0),
        ("/v1/holds?", "admin", 10),
        ("/v1/holds?workspace=w1&", "admin", 0),
        ("/v1/holds?", "viewer-own", 0),
        ("/v1/pauses?", "admin", 10),
        ("/v1/pauses?", "viewer-own", 1),
    ] {
        let items = all(&api, path, token).await;
        assert_eq!(items.len(), n_items, "{path} by {token}");
        assert!(
            ids(&items).is_sorted_by(|a, b| a < b),
            "{path}: {:?}",
            ids(&items)
        );
    }
    let entries = all(&api, "/v1/audit?", "admin").await;
    let numbers: Vec<u64> = entries
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (1..=u64::try_from(entries.len()).unwrap()).collect::<Vec<_>>()
    );
    assert!(
        entries.iter().any(|entry| entry["kind"] == "hold_placed"),
        "{entries:?}"
    );
    // A cursor of one list is none of another.
    let page = api.get("/v1/rules?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    api.get(&format!("/v1/holds?cursor={cursor}"))
        .await
        .problem(422, "invalid");
}

#[tokio::test]
async fn cycles_and_steps_are_paged_newest_first_and_in_order() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for number in 0..7_i64 {
        let id = super::record::cycle(&api, number).await;
        ids.push(id);
    }
    super::record::steps(&api, ids.last().unwrap(), 8).await;
    let cycles = all(&api, "/v1/cycles?", "viewer").await;
    let found: Vec<&str> = cycles
        .iter()
        .map(|cycle| cycle["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        found,
        ids.iter().rev().map(String::as_str).collect::<Vec<_>>()
    );
    let steps = all(
        &api,
        &format!("/v1/cycles/{}/steps?", ids.last().unwrap()),
        "viewer",
    )
    .await;
    let numbers: Vec<u64> = steps
        .iter()
        .map(|step| step["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    assert_eq!(steps[0]["bounds"][0]["retention"], "7d");
    assert_eq!(steps[0]["outcome"]["verdict"], "verified");
    assert_eq!(steps[7].get("outcome"), None, "its process died");
}
