//! The day: every slot once, whatever happens to instances and numbers. The loop runs in this
//! process, at a time of day that the test chooses.

use std::sync::{Arc, Mutex};

use ebbtide::{
    Clock, Metrics, N_PLACES, NewPause, PauseScope, Phase, Reloader, Sidecar, SlotRange, Status,
    Stop,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::Town;
use super::town::N_OLD;

/// A clock that a test turns.
#[derive(Clone)]
pub struct TestClock {
    now: Arc<Mutex<Timestamp>>,
    is_live: bool,
}

impl TestClock {
    /// Stands still at a time of today.
    pub fn at(hour: i64, second: i64) -> Self {
        let clock = Self {
            now: Arc::new(Mutex::new(Timestamp::now())),
            is_live: false,
        };
        clock.turn(hour, second);
        clock
    }

    /// Says what it is told, and claims to go with real time.
    pub fn live(now: Timestamp) -> Self {
        Self {
            now: Arc::new(Mutex::new(now)),
            is_live: true,
        }
    }

    /// The time in seconds.
    pub fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    pub fn set(&self, now: Timestamp) {
        *self.now.lock().unwrap() = now;
    }

    /// Another time of the same day.
    pub fn turn(&self, hour: i64, second: i64) {
        let day = self.now().as_second().div_euclid(86_400) * 86_400;
        let midnight = Timestamp::from_second(day).unwrap();
        self.set(midnight + SignedDuration::from_secs(hour * 3_600 + second));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn is_live(&self) -> bool {
        self.is_live
    }
}

/// A loop that runs in this process.
pub struct Running {
    pub status: watch::Receiver<Status>,
    pub wake: Arc<Notify>,
    pub metrics: Metrics,
    pub reloader: Reloader,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(town: &Town, name: &str, clock: &TestClock) -> Self {
        let metrics = Metrics::new().unwrap();
        let ledger = town.ledger().await;
        let clock = Arc::new(clock.clone());
        let sidecar = Sidecar::new(name, town.config(), ledger, clock, metrics.clone()).unwrap();
        let stop = Stop::default();
        Self {
            status: sidecar.status(),
            wake: sidecar.wake(),
            reloader: sidecar.reloader(),
            metrics,
            stop: stop.clone(),
            task: tokio::spawn(async move { sidecar.run(&stop).await }),
        }
    }

    pub async fn until_phase(&mut self, phase: Phase) -> Status {
        let reached = self.status.wait_for(|status| status.phase == phase);
        let reached = tokio::time::timeout(std::time::Duration::from_mins(2), reached).await;
        let reached = reached.unwrap_or_else(|_| panic!("no {phase:?} within 120 s"));
        reached.unwrap().clone()
    }

    pub async fn end(self) {
        self.stop.after_the_statement();
        self.task.await.unwrap();
    }
}

/// The places that cycles did today; no place twice.
async fn n_done(town: &Town) -> u64 {
    let mut ranges: Vec<SlotRange> = Vec::new();
    for (cycle, _) in town.cycles().await {
        let Some((_, status)) = cycle.end else {
            continue; // It is at work.
        };
        assert_eq!(status, "done");
        let (_, range) = cycle.start.slot.unwrap();
        let is_apart = |other: &SlotRange| other.to <= range.from || range.to <= other.from;
        assert!(
            ranges.iter().all(is_apart),
            "{range:?} was done twice: {ranges:?}"
        );
        ranges.push(range);
    }
    ranges.iter().map(|range| range.n_places()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_slots_are_done_once_across_restarts_and_changes_of_their_number() {
    let town = Town::new().await;
    let clock = TestClock::at(8, 0);
    town.configure(", slots_per_day: 7", "");
    let mut morning = Running::start(&town, "morning", &clock).await;
    morning.until_phase(Phase::Idle).await;
    morning.end().await;
    let done = n_done(&town).await;
    assert!(
        (N_PLACES / 3..N_PLACES / 2).contains(&done),
        "two and a half slots of seven"
    );

    // Another number at noon, another process, and two of them.
    clock.turn(13, 0);
    town.configure(", slots_per_day: 5", "");
    let mut one = Running::start(&town, "one", &clock).await;
    let mut other = Running::start(&town, "other", &clock).await;
    one.until_phase(Phase::Idle).await;
    other.until_phase(Phase::Idle).await;
    assert_eq!(n_done(&town).await, SlotRange::of_slot(2, 5).to);

    // The day goes on while they run.
    clock.turn(23, 3_599);
    one.wake.notify_one();
    other.wake.notify_one();
    town.until_left("traces", N_OLD).await;
    town.until("the whole day", async || n_done(&town).await == N_PLACES)
        .await;
    let status = one.until_phase(Phase::Idle).await;
    assert_eq!(status.n_slots, 5);
    one.end().await;
    other.end().await;
    assert_eq!(
        (town.count("spans").await, town.count("traces").await),
        (N_OLD, N_OLD)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_hours_of_being_down_everything_due_is_done_slot_by_slot() {
    let town = Town::new().await;
    town.configure(", slots_per_day: 24", "");
    let clock = TestClock::at(23, 3_599);
    let mut late = Running::start(&town, "late", &clock).await;
    let status = late.until_phase(Phase::Idle).await;
    assert_eq!((status.done_permille, status.n_slots), (1_000, 24));
    late.end().await;
    assert_eq!(n_done(&town).await, N_PLACES);
    assert_eq!(town.cycles().await.len(), 24);
    assert_eq!(
        (town.count("spans").await, town.count("traces").await),
        (N_OLD, N_OLD)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_number_there_are_as_few_slots_as_will_do() {
    let town = Town::new().await;
    town.configure(", slots_per_day: auto", "");
    let mut sidecar = Running::start(&town, "auto", &TestClock::at(0, 0)).await;
    let status = sidecar.until_phase(Phase::Idle).await;
    assert_eq!(status.n_slots, 1, "eight workspaces fit one statement");
    sidecar.end().await;
    assert_eq!(n_done(&town).await, N_PLACES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_everything_is_paused_nothing_is_done_and_afterwards_all_of_it() {
    let town = Town::new().await;
    let ledger = town.ledger().await;
    let pause = NewPause {
        scope: PauseScope::Everything,
        reason: "the cluster moves".into(),
        created_at: Timestamp::now(),
    };
    ledger.pause(&pause, "eva".into()).await.unwrap();
    let mut sidecar = Running::start(&town, "me", &TestClock::at(0, 0)).await;
    let status = sidecar.until_phase(Phase::Waiting).await;
    assert!(
        status.reason.contains("the cluster moves"),
        "{}",
        status.reason
    );
    assert!(sidecar.metrics.render().contains("\nebbtide_pauses 1\n"));
    let everything = "\nebbtide_everything_paused 1\n";
    assert!(sidecar.metrics.render().contains(everything));
    assert_eq!(town.cycles().await.len(), 0);
    let now = Timestamp::now();
    assert!(ledger.resume(&pause.scope, "eva", now).await.unwrap());
    sidecar.wake.notify_one();
    sidecar.until_phase(Phase::Idle).await;
    sidecar.end().await;
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_workspace_that_was_paused_go_on_the_day_it_is_resumed() {
    let town = Town::new().await;
    town.configure(", slots_per_day: 4", "");
    let ledger = town.ledger().await;
    let pause = NewPause {
        scope: PauseScope::Workspace("w1".into()),
        reason: "a dispute".into(),
        created_at: Timestamp::now(),
    };
    ledger.pause(&pause, "eva".into()).await.unwrap();
    let mut sidecar = Running::start(&town, "me", &TestClock::at(23, 3_599)).await;
    let status = sidecar.until_phase(Phase::Waiting).await;
    assert!(status.reason.contains("are paused"), "{}", status.reason);
    assert_eq!(status.done_permille, 750);
    // No alert is raised for what somebody paused.
    let seen = sidecar.metrics.render();
    for sample in [
        "slots_due 4",
        "slots_done 4",
        "pauses 1",
        "everything_paused 0",
    ] {
        assert!(seen.contains(&format!("\nebbtide_{sample}\n")), "{seen}");
    }
    let ends = async || -> Vec<String> {
        let cycles = town.cycles().await.into_iter();
        cycles.map(|(cycle, _)| cycle.end.unwrap().1).collect()
    };
    let first = ends().await;
    assert_eq!(first.len(), 4, "each slot once: {first:?}");
    assert_eq!(first.iter().filter(|end| *end == "partial").count(), 1);
    assert_eq!(town.count("spans WHERE w = 'w1'").await, N_OLD / 4);
    assert_eq!(town.count("spans").await, N_OLD + N_OLD / 8);

    // Other changes are no reason to try it again, and nor is being woken.
    town.rule("29d").await;
    let seen = sidecar.metrics.render();
    sidecar.wake.notify_one();
    assert!(
        seen.contains("ebbtide_cycles_total{outcome=\"partial\"} 1"),
        "{seen}"
    );

    let now = Timestamp::now();
    assert!(ledger.resume(&pause.scope, "eva", now).await.unwrap());
    sidecar.wake.notify_one();
    let status = sidecar.until_phase(Phase::Idle).await;
    assert_eq!(status.done_permille, 1_000);
    sidecar.end().await;
    let last = ends().await;
    assert_eq!(
        (last.len(), last[4].as_str()),
        (5, "done"),
        "only its own: {last:?}"
    );
    assert_eq!(town.count("spans").await, N_OLD);
    assert_eq!(town.count("traces").await, N_OLD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_that_takes_longer_than_its_slot_makes_the_next_one_wait_and_says_so() {
    let town = Town::new().await;
    town.sql("SYSTEM STOP MERGES spans").await;
    // The day ends in a second, by a clock that stands still.
    let mut sidecar = Running::start(&town, "slow", &TestClock::at(23, 3_599)).await;
    let is_late = |status: &Status| status.reason.contains("the next slot is due and waits");
    let late = sidecar.status.wait_for(is_late);
    let late = tokio::time::timeout(std::time::Duration::from_mins(1), late).await;
    assert_eq!(late.unwrap().unwrap().phase, Phase::Working);
    town.sql("SYSTEM START MERGES spans").await;
    sidecar.until_phase(Phase::Idle).await;
    sidecar.end().await;
    town.all_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_fails_is_tried_again_while_others_go_on() {
    let town = Town::new().await;
    town.configure(", slots_per_day: 4", "");
    // No mutation of spans can finish, so every slot with rows of them fails.
    let path = town.path();
    let text = std::fs::read_to_string(&path).unwrap();
    let impatient = "clickhouse: {statement_timeout: 1s, settle_timeout: 1s, shards";
    std::fs::write(&path, text.replace("clickhouse: {shards", impatient)).unwrap();
    town.sql("SYSTEM STOP MERGES spans").await;
    let clock = TestClock::at(23, 0);
    let sidecar = Running::start(&town, "stubborn", &clock).await;
    town.until("every slot has been tried", async || {
        let cycles = town.cycles().await;
        let tried = |number| {
            let range = SlotRange::of_slot(number, 4);
            let of_it = |slot: &(String, SlotRange)| slot.1 == range;
            cycles
                .iter()
                .any(|(cycle, _)| cycle.start.slot.as_ref().is_some_and(of_it))
        };
        (0..4).all(tried)
    })
    .await;
    town.sql("SYSTEM START MERGES spans").await;
    let mut minute = 0;
    town.until("the whole day", async || {
        // Being woken helps a while after the failure. A slot may fail once more, while the server is about to finish the earlier deletes.
        minute = (minute + 1).min(59);
        clock.turn(23, minute * 60);
        sidecar.wake.notify_one();
        let ledger = town.ledger().await;
        let day = sidecar.status.borrow().next_slot_at.unwrap() - SignedDuration::from_hours(1);
        let done = ledger.slots_done(&day.to_string()[..10]).await.unwrap();
        done.iter().map(|range| range.n_places()).sum::<u64>() == N_PLACES
    })
    .await;
    sidecar.end().await;
    assert_eq!(
        (town.count("spans").await, town.count("traces").await),
        (N_OLD, N_OLD)
    );
    let cycles = town.cycles().await;
    let failed = |cycle: &&(ebbtide::CycleRecord, _)| cycle.0.end.as_ref().unwrap().1 == "failed";
    assert!(cycles.iter().filter(failed).count() >= 1);
}
