//! Random requests made from the description, valid and not: no answer is a server's error, and every
//! answer is in the description. `EBBTIDE_TEST_SEED` changes the requests.

mod make;
mod schema;

use std::collections::BTreeMap;

use self::make::Maker;
use self::schema::Schemas;
use super::api::{Api, Options};

const SEED: u64 = 20_261_121;

#[tokio::test]
async fn ten_thousand_random_requests_get_answers_that_the_description_knows() {
    let counts = check(10_000, false).await;
    assert!(counts.len() > 100, "too uniform: {counts:?}");
    // Every operation was met, and met with success.
    let text = std::fs::read_to_string("docs/openapi.json").unwrap();
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let success = |(m, p, status): &(String, String, u16)| {
                *m == method.to_uppercase() && p == path && *status < 300
            };
            assert!(
                counts.keys().any(success),
                "{method} {path} never succeeded"
            );
        }
    }
}

#[tokio::test]
async fn random_requests_over_mysql() {
    check(1_500, true).await;
}

/// Sends so many requests, and counts the answers by method, path and status.
async fn check(n_requests: usize, with_mysql: bool) -> BTreeMap<(String, String, u16), u32> {
    let seed = std::env::var("EBBTIDE_TEST_SEED").map_or(SEED, |text| text.parse().unwrap());
    let api = Api::with(Options {
        with_clickhouse: true,
        with_mysql,
        retention: "  approval: none\n".into(),
        ..Options::default()
    })
    .await;
    let text = std::fs::read_to_string("docs/openapi.json").unwrap();
    let schemas = Schemas(serde_json::from_str(&text).unwrap());
    for number in 0..5 {
        super::record::cycle(&api, number).await;
    }
    let mut maker = Maker::new(seed, &schemas);
    let mut counts: BTreeMap<(String, String, u16), u32> = BTreeMap::new();
    for number in 0..n_requests {
        let request = maker.make();
        let what = format!("request {number} of seed {seed}: {request:?}");
        let mut ask = api.ask(&request.method, &request.uri);
        for (name, value) in &request.headers {
            ask = ask.header(name, value);
        }
        let reply = ask.body(request.body.clone()).send().await;
        let status = reply.status.as_u16();
        assert!(status < 500, "{what}\n{reply:?}");
        let responses = &request.operation["responses"];
        let described = &responses[status.to_string()];
        assert!(
            described.is_object(),
            "{status} is not described\n{what}\n{reply:?}"
        );
        let kind = reply
            .header("content-type")
            .split(';')
            .next()
            .unwrap_or_default();
        match described["content"].as_object() {
            None => assert_eq!(reply.text, "", "{what}\n{reply:?}"),
            Some(content) => {
                let content = content.get(kind);
                let content =
                    content.unwrap_or_else(|| panic!("{kind} is not described\n{what}\n{reply:?}"));
                if kind.ends_with("json") {
                    let wrong = schemas.check(&content["schema"], &reply.json(), "answer");
                    assert_eq!(wrong, None, "{what}\n{reply:?}");
                }
            }
        }
        if let Some(headers) = described["headers"].as_object() {
            for name in headers.keys() {
                assert_ne!(
                    reply.header(&name.to_lowercase()),
                    "",
                    "no {name}\n{what}\n{reply:?}"
                );
            }
        }
        maker.learn(&reply);
        *counts
            .entry((request.method, request.path, status))
            .or_default() += 1;
    }
    counts
}
