//! A network that loses everything without a word: each call ends in bounded time, and is not asked
//! again over the connection that was lost.

use std::time::Duration;

use ebbtide::{ImportRule, LedgerError, Scope, connect_ledger};
use jiff::Timestamp;

use super::{Fresh, chain};
use crate::support::Network;

const N_RULES: u32 = 5_000;

fn rules() -> impl Iterator<Item = Result<ImportRule, String>> + Send {
    (0..N_RULES).map(|number| {
        Ok(ImportRule {
            scope: Scope::Workspace(format!("w{number}").into()),
            retention: "30d".into(),
            apply_to_past: true,
            created_at: None,
        })
    })
}

/// Fails unless the call ends in time, because the ledger is away.
async fn is_away<T>(call: impl Future<Output = Result<T, LedgerError>>) {
    let ended = tokio::time::timeout(Duration::from_mins(1), call).await;
    let error = ended.expect("an end within a minute").err().unwrap();
    assert!(error.is_unreachable(), "{}", chain(error));
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_an_error_in_bounded_time() {
    let fresh = Fresh::mysql().await;
    let network = Network::before(&fresh.url).await;
    let ledger = connect_ledger(network.url(), None).await.unwrap();
    network.swallow_from(b"FROM meta");
    is_away(ledger.revision()).await;
    network.heal();
    ledger.revision().await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_a_list_is_an_error_in_bounded_time() {
    let fresh = Fresh::mysql().await;
    let now = Timestamp::now();
    let imported = fresh.ledger.import_rules(&mut rules(), "test", now).await;
    assert_eq!(imported.unwrap().n_created, u64::from(N_RULES));
    let network = Network::before(&fresh.url).await;
    let ledger = connect_ledger(network.url(), None).await.unwrap();
    network.stall_after(100_000);
    let mut n_seen = 0;
    is_away(ledger.each_rule(false, &mut |_| n_seen += 1)).await;
    assert!((1..N_RULES).contains(&n_seen), "{n_seen}");
    network.heal();
    n_seen = 0;
    ledger.each_rule(false, &mut |_| n_seen += 1).await.unwrap();
    assert_eq!(n_seen, N_RULES);
}

#[tokio::test]
async fn an_import_whose_statement_is_lost_ends_and_leaves_nothing() {
    let fresh = Fresh::mysql().await;
    let network = Network::before(&fresh.url).await;
    let ledger = connect_ledger(network.url(), None).await.unwrap();
    network.swallow_from(b"INSERT INTO rules");
    let mut rules = rules();
    is_away(ledger.import_rules(&mut rules, "test", Timestamp::now())).await;
    network.heal();
    assert_eq!(ledger.rules_after(0, true, 1).await.unwrap(), []);
}
