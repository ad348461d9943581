//! The schedule of the sidecar: slots, the lease, and the loop of `serve`.
//!
//! ```text
//! look (ledger, warehouse) ─▶ decide ─▶ take the lease ─▶ look again ─▶ plan the slot ─▶ apply ─▶ give it back
//! ```
//!
//! Invariant: nothing is deleted without the lease, and no failure of a server ends the loop: it
//! waits, longer each time, and begins again with a fresh look.

mod again;
mod attempts;
mod auto;
mod backlog;
mod board;
mod cycle;
mod held;
mod kept;
mod live;
mod next;
mod reclaim;
mod reload;
mod slot;
mod standing;
mod status;
mod stop;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{EngineError, error_chain};
use crate::ledger::Ledger;
use crate::slot::SlotRange;
use crate::telemetry::{Metrics, metric};

use self::attempts::{Attempts, delay};
use self::board::Board;
use self::kept::PutOff;
use self::live::{Parts, tables};
use self::next::{Next, View};
use self::reclaim::Reclaiming;
use self::world::World;

pub(crate) use backlog::{held_last, left_everywhere};
pub(crate) use held::HeldBack;
pub(crate) use kept::LARGEST_PLAN;
pub use live::Live;
pub use reload::{ReloadError, Reloader};
pub use status::{Phase, Status, TargetStatus};
pub use stop::Stop;

/// How long the loop sleeps at most: another instance may have changed something.
const POLL: Duration = Duration::from_secs(10);

/// One instance of the sidecar: the loop that plans and applies the slots of each day.
pub struct Sidecar {
    instance: String,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    parts: Parts,
    live: watch::Sender<Arc<Live>>,
    board: Board,
    wake: Arc<Notify>,
    attempts: Attempts,
    /// Approved plans that could not be applied.
    put_off: HashMap<String, PutOff>,
    reclaiming: Reclaiming,
    /// The day, and what a dry run has planned of it.
    rehearsed: (String, Vec<SlotRange>),
    /// The day, and how many slots it has where nobody chose a number.
    auto: (String, u32),
    /// The day on which the record was tidied last.
    tidied: String,
    /// Failures to reach a server, in a row.
    n_unreached: usize,
}

/// What follows a turn of the loop.
enum Then {
    /// The next turn, at once.
    Again,
    /// The next turn, after this long or when somebody wakes the loop.
    Sleep(Duration),
}

impl Sidecar {
    /// A sidecar that has not begun. Nothing is connected to yet.
    ///
    /// # Errors
    /// As [`Engine::new`](crate::engine::Engine::new).
    pub fn new(
        instance: &str,
        config: Config,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, EngineError> {
        let board = Board::new(instance, tables(&config).map(str::to_owned), clock.now());
        let parts = Parts {
            ledger: Arc::clone(&ledger),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            board: board.clone(),
        };
        let live = parts.live(config)?;
        Ok(Self {
            instance: instance.into(),
            ledger,
            clock,
            metrics,
            parts,
            live: watch::Sender::new(live),
            board,
            wake: Arc::new(Notify::new()),
            attempts: Attempts::default(),
            put_off: HashMap::default(),
            reclaiming: Reclaiming::default(),
            rehearsed: Default::default(),
            auto: Default::default(),
            tidied: String::new(),
            n_unreached: 0,
        })
    }

    /// The configuration in force, and the engine made from it.
    pub fn live(&self) -> watch::Receiver<Arc<Live>> {
        self.live.subscribe()
    }

    /// What it does at present.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.board.watch()
    }

    /// Wakes the loop before its time.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// What reads the configuration again.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(
            self.parts.clone(),
            self.live.clone(),
            Arc::clone(&self.wake),
        )
    }

    /// Brings the ledger's schema up to date, as soon as the ledger can be reached.
    pub async fn migrate(&mut self, stop: &Stop) {
        loop {
            let migrated = tokio::select! {
                migrated = self.ledger.migrate() => migrated,
                () = stop.at_once.cancelled() => return,
            };
            let error = match migrated {
                Ok(applied) => {
                    tracing::info!(
                        n_applied = applied.len(),
                        "the ledger's schema is up to date"
                    );
                    return;
                }
                Err(error) => EngineError::from(error),
            };
            if let Then::Sleep(length) = self.unreached(&error) {
                tokio::select! {
                    () = tokio::time::sleep(length) => {}
                    () = stop.gently.cancelled() => return,
                }
            }
        }
    }

    /// Works until it is told to stop.
    pub async fn run(mut self, stop: &Stop) {
        let board = self.board.clone();
        let clock = Arc::clone(&self.clock);
        let stopping = async {
            stop.gently.cancelled().await;
            board.phase(Phase::Stopping, "it was told to end", clock.now());
        };
        tokio::join!(self.turns(stop), stopping);
    }

    async fn turns(&mut self, stop: &Stop) {
        while !stop.gently.is_cancelled() {
            let live = Arc::clone(&self.live.borrow());
            let stop_turn = stop.of_a_turn();
            let turned = tokio::select! {
                // A turn that hears of it itself says what it left.
                biased;
                turned = self.turn(&live, &stop_turn) => turned,
                () = stop_turn.when_replaced(&live.replaced) => return,
                () = stop.at_once.cancelled() => return,
            };
            let then = match turned {
                Ok(then) => {
                    self.n_unreached = 0;
                    then
                }
                Err(error) => self.unreached(&error),
            };
            self.metrics.tidy();
            if let Then::Sleep(length) = then {
                tokio::select! {
                    () = tokio::time::sleep(length) => {}
                    () = self.wake.notified() => {
                        self.attempts.hasten();
                        self.put_off.values_mut().for_each(PutOff::hasten);
                    }
                    () = stop.gently.cancelled() => {}
                }
            }
        }
    }

    /// One look at the world, and at most one cycle.
    async fn turn(&mut self, live: &Live, stop: &Stop) -> Result<Then, EngineError> {
        if live.config.enabled {
            let noted = stop.unless_told(live.note_settings(&self.instance));
            noted.await.transpose()?;
        }
        let looked = self.look(&live.engine);
        let Some(world) = stop.unless_told(looked).await.transpose()? else {
            return Ok(Then::Again);
        };
        self.metrics.set_count(metric::READY, &[], 1);
        self.new_day(&world.day);
        let counted = stop.unless_told(self.n_slots(live, &world)).await;
        let Some(n_slots) = counted.transpose()? else {
            return Ok(Then::Again);
        };
        self.show_day(&world, n_slots);
        // Of interest also while slots are due, paused, or out of the window, and whoever deleted them:
        // a long backlog is when they grow most.
        if self.is_time_to_look(live, &world) {
            self.look_at_remains(live, stop).await?;
            return Ok(Then::Again);
        }
        if !live.config.enabled {
            return self.rehearse(live, &world, n_slots, stop).await;
        }
        if let Some(record) = world.pause() {
            let reason = format!("everything is paused: {}", record.pause.reason);
            self.board.phase(Phase::Waiting, reason, world.now);
            return Ok(Then::Sleep(POLL));
        }
        let next = next::decide(&self.view(&world, n_slots, &world.settled));
        let is_due = self.due_plan(&world).is_some() || matches!(next, Next::Slot { .. });
        if let (true, Err(closed)) = (is_due, live.engine.check_window()) {
            return Ok(self.wait_for_the_window(&closed, world.now));
        }
        if self.due_plan(&world).is_some() {
            return Box::pin(self.apply_approved(live, stop)).await;
        }
        match next {
            Next::Slot { .. } | Next::Again { .. } => {
                Box::pin(self.work(live, n_slots, stop)).await
            }
            next => {
                if let Some(then) = Box::pin(self.tidy_disk(live, &world, n_slots, stop)).await? {
                    return Ok(then);
                }
                let (phase, why) = if world.settled == world.done {
                    (Phase::Idle, "nothing is due")
                } else {
                    let why = "rows that are due are paused; everything else is done";
                    (Phase::Waiting, why)
                };
                Ok(self.rest(next, phase, why, world.now))
            }
        }
    }

    /// Something is due, and it is not the time of day for it.
    fn wait_for_the_window(&self, closed: &EngineError, now: Timestamp) -> Then {
        self.board.phase(Phase::Waiting, closed.to_string(), now);
        let until = match closed {
            EngineError::Closed { opens_at, .. } => until_then(now, *opens_at),
            _ => POLL,
        };
        Then::Sleep(until.min(POLL))
    }

    fn view<'v>(&'v self, world: &'v World, n_slots: u32, done: &'v [SlotRange]) -> View<'v> {
        View {
            now: world.now,
            n_slots,
            done,
            yesterday: &world.yesterday,
            again: &world.again,
            attempts: &self.attempts,
        }
    }

    /// Says why nothing is done now, and for how long.
    fn rest(&self, next: Next, phase: Phase, why: &str, now: Timestamp) -> Then {
        let (until, phase, reason) = match next {
            Next::Retry { at } => {
                let failed = self.attempts.reason().unwrap_or("a slot failed");
                (at, Phase::Waiting, format!("to be tried again: {failed}"))
            }
            Next::Idle { until } => (until, phase, why.to_owned()),
            Next::Slot { .. } | Next::Again { .. } => return Then::Again,
        };
        self.board.phase(phase, reason, now);
        Then::Sleep(until_then(now, until).min(POLL))
    }

    /// A server could not be reached, or said no.
    fn unreached(&mut self, error: &EngineError) -> Then {
        self.n_unreached += 1;
        let wait = delay(self.n_unreached, POLL);
        let reason = error_chain(error);
        self.metrics.set_count(metric::READY, &[], 0);
        self.count_error(error);
        tracing::warn!(
            error = reason,
            n_in_a_row = self.n_unreached,
            wait_ms = crate::telemetry::ms(wait),
            "cannot go on; trying again"
        );
        self.board.phase(Phase::Starting, reason, self.clock.now());
        Then::Sleep(wait)
    }

    /// Counts what failed by the server that did; rules that make no sense are no server's fault.
    fn count_error(&self, error: &EngineError) {
        let counter = match error {
            EngineError::Ledger(_) => metric::LEDGER_ERRORS,
            EngineError::Warehouse(_) | EngineError::NoShard { .. } => metric::WAREHOUSE_ERRORS,
            _ => return,
        };
        self.metrics.add(counter, &[], 1);
    }

    /// What failed yesterday is due anew.
    fn new_day(&mut self, day: &str) {
        if self.rehearsed.0 != day {
            self.rehearsed = (day.to_owned(), Vec::new());
            self.attempts.begin_day();
        }
    }

    fn show_day(&self, world: &World, n_slots: u32) {
        let (done, settled) = if self.live.borrow().config.enabled {
            (&world.done, &world.settled)
        } else {
            (&self.rehearsed.1, &self.rehearsed.1)
        };
        let day = next::day(&self.view(world, n_slots, done));
        // Nothing is wrong where somebody paused something: a pause has a metric of its own.
        let n_settled = next::day(&self.view(world, n_slots, settled)).n_done;
        self.metrics
            .set_count(metric::SLOTS_DUE, &[], day.n_due.into());
        self.metrics
            .set_count(metric::SLOTS_DONE, &[], n_settled.into());
        self.board.write(|status| {
            status.n_slots = n_slots;
            status.done_permille = day.done_permille;
            status.next_slot_at = Some(day.next_slot_at);
        });
    }
}

/// From one instant to another; nothing if that has passed.
fn until_then(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}
