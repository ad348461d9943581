//! Many instances: one works at a time, a dead one is taken over from, a lost lease sends nothing.

use rustix::process::Signal;

use super::town::SHORT_LEASE;
use super::{Process, Town};
use crate::support::wait_until;

/// The instance that works, among several; the others say that it does.
fn at_work(processes: &[Process]) -> usize {
    let is_working = |process: &Process| {
        let phases = process.events("phase changed");
        phases
            .last()
            .is_some_and(|event| event["phase"] == "working")
    };
    let mut found = None;
    wait_until("an instance is at work", || {
        found = processes.iter().position(is_working);
        found.is_some()
    });
    found.unwrap()
}

async fn one_killed_of(n: usize, town: Town) {
    town.configure("", SHORT_LEASE);
    town.sql("SYSTEM STOP MERGES spans").await;
    let mut processes: Vec<Process> = (0..n).map(|_| town.start()).collect();
    town.until_mutations(1).await;
    let working = at_work(&processes);
    let mut dead = processes.swap_remove(working);
    dead.kill();
    town.sql("SYSTEM START MERGES spans").await;
    town.until_ended("done").await;
    // Everybody sees that nothing is left to do.
    for process in &processes {
        process.until_phase("idle");
    }
    for process in processes {
        process.end();
    }
    town.all_done_once().await;
    let cycles = town.cycles().await;
    let ends: Vec<Option<&str>> = cycles
        .iter()
        .map(|(cycle, _)| cycle.end.as_ref().map(|end| end.1.as_str()))
        .collect();
    assert_eq!(ends[0], None, "the killed one's");
    assert_eq!(ends.last(), Some(&Some("done")));
    let tokens: Vec<u64> = cycles
        .iter()
        .map(|(cycle, _)| cycle.start.lease_token)
        .collect();
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
    assert!(!town.days_done().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_instances_one_is_killed() {
    one_killed_of(2, Town::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_instances_on_mysql_one_is_killed() {
    one_killed_of(10, Town::with_mysql().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_was_frozen_past_its_lease_sends_nothing_more() {
    let town = Town::with_mysql().await;
    town.configure("", SHORT_LEASE);
    town.sql("SYSTEM STOP MERGES spans").await;
    let frozen = town.start();
    town.until_mutations(1).await;
    frozen.signal(Signal::STOP);
    town.sql("SYSTEM START MERGES spans").await;
    let other = town.start();
    town.until_ended("done").await;
    let n_before = town.mutations().await;
    frozen.signal(Signal::CONT);
    frozen.until_event("cycle", |cycle| cycle["outcome"] == "lease_lost");
    frozen.until_phase("idle");
    assert_eq!(frozen.metric("ebbtide_lease_losses_total"), Some(1.0));
    assert_eq!(town.mutations().await, n_before);
    other.end();
    frozen.end();
    town.all_done_once().await;
    // Of the frozen one's statement it is known what became of it.
    let cycles = town.cycles().await;
    let first = cycles[0].1[0].outcome.as_ref().unwrap();
    assert_eq!(first.verdict, "verified");
    assert_eq!(cycles[0].0.end.as_ref().unwrap().1, "lease_lost");
}
