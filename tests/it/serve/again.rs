//! Rows that come free during a day go on the same day: what was done is looked at again, a while
//! later and by any instance.

use ebbtide::{Clock as _, CycleRecord, Phase};
use jiff::Timestamp;

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

/// A quarter past ten: a while after the slot was done.
const LATER: (i64, i64) = (10, 900);

/// A town whose slot was done at ten.
async fn done_at_ten(town: &Town) -> (TestClock, Running) {
    let clock = TestClock::at(10, 0);
    let mut sidecar = Running::start(town, "morning", &clock).await;
    sidecar.until_phase(Phase::Idle).await;
    (clock, sidecar)
}

/// Everything old is gone by a second look at the day, and nobody looked a third time.
async fn gone_by_a_second_look(town: &Town, clock: &TestClock, sidecar: Running) {
    town.until_left("spans", N_OLD).await;
    town.until_left("traces", N_OLD).await;
    sidecar.end().await;
    let cycles: Vec<CycleRecord> = town.cycles().await.into_iter().map(|(c, _)| c).collect();
    assert_eq!(cycles.len(), 2, "{cycles:#?}");
    let is_of_a_slot = |cycle: &CycleRecord| cycle.start.slot.is_some();
    assert!(cycles.iter().all(is_of_a_slot));
    assert_eq!(cycles[1].start.as_of.as_second(), clock.seconds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_hold_that_is_released_go_on_the_same_day_but_not_at_once() {
    let town = Town::new().await;
    let ledger = town.ledger().await;
    town.hold("w1").await;
    let (clock, sidecar) = done_at_ten(&town).await;
    assert_eq!(town.count("traces").await, N_OLD + N_OLD / 8);

    let id = ledger.holds(false).await.unwrap()[0].id;
    ledger
        .release_hold(id, "eva", Timestamp::now())
        .await
        .unwrap();
    // Somebody who changes something all the time must not make it look all the time.
    clock.turn(LATER.0, LATER.1 - 1);
    sidecar.wake.notify_one();
    town.until("the release is seen", async || {
        sidecar.metrics.render().contains("\nebbtide_holds 0\n")
    })
    .await;
    clock.turn(LATER.0, LATER.1);
    sidecar.wake.notify_one();
    gone_by_a_second_look(&town, &clock, sidecar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_approved_after_its_slot_goes_on_the_same_day_whichever_instance_is_there() {
    let town = Town::new().await;
    town.configure(", approval: required", "");
    let (clock, sidecar) = done_at_ten(&town).await;
    sidecar.end().await;
    assert_eq!(town.count("traces").await, 2 * N_OLD);

    // As a person does with a plan of which then some fails.
    town.approve().await;
    clock.turn(LATER.0, LATER.1);
    let other = Running::start(&town, "another", &clock).await;
    gone_by_a_second_look(&town, &clock, other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_shorter_rule_go_on_the_same_day() {
    let town = Town::new().await;
    let (clock, sidecar) = done_at_ten(&town).await;
    assert_eq!(town.count("traces").await, N_OLD);
    for table in ["spans", "traces"] {
        town.fill(table, 20).await;
    }
    town.rule("10d").await;
    clock.turn(LATER.0, LATER.1);
    sidecar.wake.notify_one();
    gone_by_a_second_look(&town, &clock, sidecar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_whose_armed_time_is_over_act_on_the_same_day() {
    let town = Town::new().await;
    town.configure(", armed_for: 1h", "");
    let (clock, sidecar) = done_at_ten(&town).await;
    assert_eq!(town.count("traces").await, 2 * N_OLD, "armed until later");

    // The clock of the database cannot be turned: so the rules become older.
    let ledger = rusqlite::Connection::open(town.folder.path().join("ledger.db")).unwrap();
    let older = "UPDATE revisions SET since = '2026-01-01T00:00:00.000000Z'";
    ledger.execute(older, ()).unwrap();
    clock.turn(LATER.0, LATER.1);
    sidecar.wake.notify_one();
    gone_by_a_second_look(&town, &clock, sidecar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shorter_default_frees_goes_on_the_same_day() {
    let town = Town::new().await;
    for table in ["spans", "traces"] {
        town.sql(&format!(
            "INSERT INTO {table} SELECT 'x', now() - toIntervalDay(40), number FROM numbers(9)"
        ))
        .await;
    }
    town.configure(", default: 60d", "");
    let (clock, mut sidecar) = done_at_ten(&town).await;
    assert_eq!(town.count("traces").await, N_OLD + 9);
    let before = town.ledger().await.revision().await.unwrap();

    town.configure(", default: 20d", "");
    sidecar.reloader.reload(&town.path()).unwrap();
    town.until(
        "the settings are noted, although no slot is due",
        async || town.ledger().await.revision().await.unwrap() > before,
    )
    .await;
    sidecar.until_phase(Phase::Idle).await;
    assert_eq!(town.cycles().await.len(), 1, "not at once");
    clock.turn(LATER.0, LATER.1);
    sidecar.wake.notify_one();
    gone_by_a_second_look(&town, &clock, sidecar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noted_is_not_looked_at_all_the_time() {
    let town = Town::new().await;
    let ledger = rusqlite::Connection::open(town.folder.path().join("ledger.db")).unwrap();
    let broken =
        "CREATE TRIGGER broken BEFORE INSERT ON looks BEGIN SELECT RAISE(ABORT, 'no'); END";
    ledger.execute_batch(broken).unwrap();
    let clock = TestClock::at(10, 0);
    let mut sidecar = Running::start(&town, "me", &clock).await;
    let status = sidecar.until_phase(Phase::Waiting).await;
    assert!(
        status.reason.contains("what was seen is not noted"),
        "{}",
        status.reason
    );
    assert_eq!(town.cycles().await.len(), 1, "the slot is done");
    for n_cycles in [2, 3] {
        clock.set(clock.now() + jiff::SignedDuration::from_mins(10));
        sidecar.wake.notify_one();
        town.until("it is tried again", async || {
            town.cycles().await.len() == n_cycles
        })
        .await;
        // What it saw is noted, or not, after the end of its cycle.
        sidecar.until_phase(Phase::Waiting).await;
    }
    ledger.execute_batch("DROP TRIGGER broken").unwrap();
    clock.set(clock.now() + jiff::SignedDuration::from_mins(10));
    sidecar.wake.notify_one();
    sidecar.until_phase(Phase::Idle).await;
    sidecar.end().await;
    assert_eq!(town.cycles().await.len(), 4);
}
