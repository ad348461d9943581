//! What is the same for all instances: an idle one shows what another one saw, and time goes on while
//! a cycle is at work.

use ebbtide::Phase;

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_instance_shows_what_another_one_saw() {
    let town = Town::new().await;
    town.configure(", approval: required", "");
    let clock = TestClock::at(10, 0);
    let mut working = Running::start(&town, "working", &clock).await;
    working.until_phase(Phase::Idle).await;
    let mut idle = Running::start(&town, "idle", &clock).await;
    idle.until_phase(Phase::Idle).await;
    let shows = |of: &Running, sample: &str| of.metrics.render().contains(sample);
    let waits = format!("\nebbtide_waiting_rows{{table=\"traces\"}} {N_OLD}\n");
    assert!(shows(&idle, &waits), "{}", idle.metrics.render());
    assert!(shows(&idle, "ebbtide_cycles_total{outcome=\"done\"} 0\n"));
    idle.end().await;

    // It has nothing more to say of them once they are gone, whoever deleted them.
    town.approve().await;
    clock.turn(10, 900);
    let another = Running::start(&town, "another", &clock).await;
    town.until_left("traces", N_OLD).await;
    let waits = "\nebbtide_waiting_rows{table=\"traces\"} 0\n";
    let last_success = |of: &Running| of.status.borrow().last_success_at;
    town.until("both say so", async || {
        working.wake.notify_one();
        another.wake.notify_one();
        let agree = last_success(&working) == last_success(&another);
        agree && shows(&another, waits) && shows(&working, waits)
    })
    .await;
    working.end().await;
    another.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_come_due_while_a_cycle_is_at_work() {
    let town = Town::new().await;
    town.configure(", slots_per_day: 24", "");
    town.sql("SYSTEM STOP MERGES spans").await;
    let clock = TestClock::at(1, 0);
    let sidecar = Running::start(&town, "slow", &clock).await;
    town.until_mutations(1).await;
    clock.turn(22, 0);
    town.until("more slots are due", async || {
        sidecar
            .metrics
            .render()
            .contains("\nebbtide_slots_due 23\n")
    })
    .await;
    assert_eq!(sidecar.status.borrow().phase, Phase::Working);
    town.sql("SYSTEM START MERGES spans").await;
    sidecar.end().await;
}
