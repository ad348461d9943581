//! A ledger that is away: every request is told so soon, and answered again once it is back.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use serde_json::json;

use super::api::{Api, Options};
use crate::support::{Mariadb, Network, TestMysql};

const LOOK_UP: &str = "/v1/policies/w1";
/// From memory, from the ledger, and both.
const PATHS: [&str; 6] = [
    LOOK_UP,
    "/v1/rules",
    "/v1/holds",
    "/v1/cycles",
    "/v1/plans",
    "/v1/audit",
];

async fn over(ledger: &str) -> Api {
    Api::with(Options {
        ledger: Some(ledger.to_owned()),
        ..Options::default()
    })
    .await
}

async fn until_look_up_is(api: &Api, status: u16) {
    let began_at = Instant::now();
    while api.get(LOOK_UP).await.status.as_u16() != status {
        let waited = began_at.elapsed();
        assert!(
            waited < Duration::from_secs(30),
            "no {status} in {waited:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fifty at once, soon after each other's failure and again a while later.
async fn nobody_waits(api: &Api) {
    // A copy that was compared just now may still be used.
    until_look_up_is(api, 503).await;
    for _ in 0..2 {
        let began_at = Instant::now();
        let asked = (0..50).map(|number| api.get(PATHS[number % PATHS.len()]));
        let rule = json!({"workspace": "w1", "retention": "7d"});
        let change = api.post("/v1/rules", rule);
        let (replies, change) = tokio::join!(futures_util::future::join_all(asked), change);
        let took = began_at.elapsed();
        for reply in replies.into_iter().chain([change]) {
            assert_eq!(reply.header("retry-after"), "5", "{reply:?}");
            reply.problem(503, "unavailable");
        }
        assert!(took < Duration::from_secs(6), "{took:?}");
        // The failure is forgotten by then.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_down_is_told_to_all_at_once_until_it_is_back() {
    let mut mariadb = Mariadb::start();
    let opts = mysql_async::Opts::from_url(&mariadb.url()).unwrap();
    let mut connection = mysql_async::Conn::new(opts).await.unwrap();
    let create = "CREATE DATABASE ebbtide";
    connection.query_drop(create).await.unwrap();
    connection.disconnect().await.unwrap();
    let api = over(&format!("{}/ebbtide", mariadb.url())).await;
    until_look_up_is(&api, 200).await;
    mariadb.stop();
    nobody_waits(&api).await;
    mariadb.start_again();
    until_look_up_is(&api, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_behind_a_network_that_swallows_everything_is_no_different() {
    let database = TestMysql::create().await;
    let network = Network::before(database.url()).await;
    let api = over(network.url()).await;
    until_look_up_is(&api, 200).await;
    network.swallow();
    nobody_waits(&api).await;
    network.heal();
    until_look_up_is(&api, 200).await;
}
