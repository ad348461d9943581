//! How a sidecar ends.

use std::time::Duration;

use rustix::process::Signal;

use super::Town;
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_after_the_statement_that_runs_and_the_next_one_goes_on() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES spans").await;
    let mut first = town.start();
    town.until_mutations(1).await;
    first.signal(Signal::TERM);
    first.until_logged("ending after the statement");
    assert!(first.is_running(), "it waits for the statement");
    assert_eq!(first.ask("GET", "/health/readyz", "").0, 503);
    town.sql("SYSTEM START MERGES spans").await;
    assert_eq!(first.until_ended().code(), Some(0));

    let cycles = town.cycles().await;
    let [(cycle, steps)] = &cycles[..] else {
        panic!("{cycles:#?}")
    };
    assert_eq!(cycle.end.as_ref().unwrap().1, "stopped");
    assert_eq!(steps.len(), 1, "the second was not begun");
    assert_eq!(steps[0].outcome.as_ref().unwrap().verdict, "verified");
    assert_eq!(
        town.ledger().await.leases().await.unwrap(),
        [],
        "given back"
    );

    let second = town.start();
    town.until_ended("done").await;
    second.end();
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_longer_than_the_timeout_is_left_to_the_server() {
    let town = Town::new().await;
    town.configure("", "serve: {lease: 5s, shutdown_timeout: 500ms}\n");
    town.sql("SYSTEM STOP MERGES spans").await;
    let mut first = town.start();
    town.until_mutations(1).await;
    first.signal(Signal::TERM);
    assert_eq!(first.until_ended().code(), Some(0));
    first.until_logged("the statement takes longer than serve.shutdown_timeout");

    let cycles = town.cycles().await;
    assert_eq!((cycles.len(), cycles[0].0.end.clone()), (1, None));
    assert!(cycles[0].1[0].outcome.is_none(), "nobody knows yet");
    // Its request may not have reached the server yet, so that nobody else may look for it.
    let kept = first.until_logged("the lease is left to end");
    assert_eq!(kept["level"], "WARN");

    // The next one finds the statement when the lease has ended, and sends no second one.
    let second = town.start();
    second.until_event("step", |step| {
        step["why"]
            .as_str()
            .is_some_and(|why| why.contains("still running"))
    });
    town.sql("SYSTEM START MERGES spans").await;
    town.until_ended("done").await;
    second.end();
    assert_eq!(
        (town.count("spans").await, town.count("traces").await),
        (N_OLD, N_OLD)
    );
    assert_eq!(town.mutations().await, 2, "one statement a table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let town = Town::new().await;
        town.sql("SYSTEM STOP MERGES spans").await;
        let mut process = town.start();
        town.until_mutations(1).await;
        process.signal(signal);
        process.until_logged("ending after the statement");
        // The first may count as this one for a moment.
        let began_at = std::time::Instant::now();
        while process.is_running() {
            assert!(began_at.elapsed() < Duration::from_secs(10));
            process.signal(signal);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(process.until_ended().code(), Some(code));
        town.sql("SYSTEM START MERGES spans").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_sidecar_ends_at_once() {
    let town = Town::new().await;
    let mut process = town.start();
    process.until_phase("idle");
    let began_at = std::time::Instant::now();
    process.signal(Signal::INT);
    assert_eq!(process.until_ended().code(), Some(0));
    assert!(began_at.elapsed() < Duration::from_secs(5));
}
