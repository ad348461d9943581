//! A slot with more due than the budget allows: it goes on in the next cycle, after other slots.

use ebbtide::{Phase, SlotRange, TargetStatus};

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_used_up_its_budget_goes_on_after_the_others_until_it_is_done() {
    let town = Town::new().await;
    // Each workspace has twenty rows: a cycle is one of them.
    town.configure(", slots_per_day: 2, budget: {rows: 30}", "");
    let mut sidecar = Running::start(&town, "me", &TestClock::at(23, 3_599)).await;
    let status = sidecar.until_phase(Phase::Idle).await;
    assert_eq!(status.done_permille, 1_000);
    assert!(status.targets.iter().all(|target| target.backlog_rows == 0));
    sidecar.end().await;
    for table in ["spans", "traces"] {
        assert_eq!(town.count(table).await, N_OLD);
    }
    let mut cycles = town.cycles().await;
    cycles.sort_by_key(|(cycle, _)| cycle.start.started_at);
    let halves = [0, 1].map(|slot| SlotRange::of_slot(slot, 2));
    let is_first = |workspace: &u64| halves[0].contains(&format!("w{workspace}"));
    let n_first = (0..8).filter(is_first).count();
    let (fewer, more) = (n_first.min(8 - n_first), n_first.max(8 - n_first));
    assert!(
        fewer > 1,
        "both halves take several cycles: {fewer} and {more}"
    );
    assert_eq!(cycles.len(), 8);
    let slots: Vec<SlotRange> = cycles
        .iter()
        .map(|(cycle, _)| cycle.start.slot.clone().unwrap().1)
        .collect();
    for (turn, pair) in slots.windows(2).enumerate().take(2 * fewer - 1) {
        assert_ne!(pair[0], pair[1], "turn {turn} of {slots:?}");
    }
    for half in halves {
        let ends = cycles
            .iter()
            .filter(|(cycle, _)| cycle.start.slot.as_ref().unwrap().1 == half);
        let ends: Vec<&str> = ends
            .map(|(cycle, _)| &*cycle.end.as_ref().unwrap().1)
            .collect();
        let (last, before) = ends.split_last().unwrap();
        assert_eq!(*last, "done");
        assert!(before.iter().all(|end| *end == "deferred"), "{ends:?}");
    }
    for (cycle, steps) in &cycles {
        let n_rows: u64 = steps.iter().map(|step| step.intent.rows_due).sum();
        assert!(n_rows <= 30, "{cycle:?}");
        let tables: Vec<&str> = steps.iter().map(|step| &*step.intent.table).collect();
        assert_eq!(tables, ["spans", "traces"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_time_of_a_budget_leaves_is_deferred_and_the_status_says_so() {
    let town = Town::new().await;
    let sections = "plan: {workspaces_per_statement: 1}\n";
    town.configure(", budget: {time: 1s}", sections);
    // Sixteen statements: ten go at once, and then one in six seconds.
    let text = std::fs::read_to_string(town.path()).unwrap();
    let slow = text.replace("statements_per_minute: 6000", "statements_per_minute: 10");
    assert_ne!(text, slow);
    std::fs::write(town.path(), slow).unwrap();
    let mut sidecar = Running::start(&town, "me", &TestClock::at(12, 0)).await;
    let deferred = sidecar.status.wait_for(|status| {
        let is_deferred = |target: &TargetStatus| target.deferred_rows > 0;
        status.targets.iter().any(is_deferred)
    });
    let deferred = tokio::time::timeout(std::time::Duration::from_mins(1), deferred).await;
    let status = deferred.expect("within a minute").unwrap().clone();
    for target in &status.targets {
        assert_eq!(target.deferred_rows, target.backlog_rows, "{status:#?}");
    }
    sidecar.end().await;
}
