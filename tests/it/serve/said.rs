//! What a sidecar says of what it did, where that is more than one thing.

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_cycle_in_several_rounds_it_says_what_all_of_them_did() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES spans").await;
    let process = town.start();
    town.until_mutations(1).await;
    town.hold("w1").await;
    town.sql("SYSTEM START MERGES spans").await;
    let cycle = process.until_event("cycle", |event| event["kind"] == "slot");
    process.end();
    assert_eq!(town.cycles().await.len(), 2, "two rounds");
    // The traces of one workspace of eight stay.
    let n_deleted = 2 * N_OLD - N_OLD / 8;
    assert_eq!(
        (
            &cycle["rows_deleted"],
            &cycle["n_statements"],
            &cycle["outcome"]
        ),
        (&n_deleted.into(), &2.into(), &"done".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_make_no_sense_are_no_error_of_clickhouse() {
    let town = Town::new().await;
    town.configure(", slots_per_day: auto", "");
    town.rule("no_such_period").await;
    let sidecar = Running::start(&town, "me", &TestClock::at(10, 0)).await;
    town.until("it says why nothing happens", async || {
        let status = sidecar.status.borrow();
        status.reason.contains("in the ledger cannot be used")
    })
    .await;
    let text = sidecar.metrics.render();
    sidecar.end().await;
    for metric in ["warehouse", "ledger"] {
        let line = format!("\nebbtide_{metric}_errors_total 0\n");
        assert!(text.contains(&line), "{text}");
    }
}
