//! The turn of a statement: when it may be sent, and how ClickHouse copes while it runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::apply::Cycle;
use super::step::Part;
use super::{CycleStatus, Engine, EngineError, Event};
use crate::pace::{Decision, LOOK_EVERY, Wait};
use crate::plan::Method;
use crate::warehouse::{Execution, MutationState, Request, Shard};

/// While a statement runs, it is looked how the server copes.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// A shard and a table.
type ShardTable = (Arc<str>, Arc<str>);

/// Where a statement is to go, and in which cycle.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cycle: &'a Cycle<'a>,
    pub(super) shard: &'a Shard,
    pub(super) table: &'a str,
    /// It frees disk, and needs none.
    pub(super) frees_disk: bool,
}

/// How long the tables of a cycle were waited for.
#[derive(Debug, Default)]
pub(super) struct Waited {
    tables: Mutex<HashMap<ShardTable, Duration>>,
}

impl Waited {
    /// Adds to the time of a table; returns all of it.
    fn add(&self, place: &Place<'_>, length: Duration) -> Duration {
        let key = (place.shard.name().into(), place.table.into());
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = tables.entry(key).or_default();
        *waited += length;
        *waited
    }
}

/// The tables of a cycle in which a step was too much, so that the ones left may be too large.
#[derive(Debug, Default)]
pub(super) struct Shrunk {
    tables: Mutex<HashSet<ShardTable>>,
}

impl Shrunk {
    fn lock(&self) -> MutexGuard<'_, HashSet<ShardTable>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Whether a step is larger than it would be planned now, after an earlier one of the cycle was
    /// too much. Rows of one instant are a step however small steps are: the next plan begins with
    /// them, so they go. Nobody plans anew what was reviewed, so all of it goes.
    pub(super) fn is_too_large(&self, part: &Part<'_>) -> bool {
        let Part { cycle, shard, step } = *part;
        let key = (Arc::clone(&step.shard), Arc::clone(&step.table));
        let is_planned_anew = cycle.may_renew || cycle.plan.backfill.is_some();
        let is_too_large = is_planned_anew
            && step.method != Method::Partition
            && step.n_due > self.pacer.rows_per_step(shard, &step.table)
            && cycle.shrunk.lock().contains(&key);
        if is_too_large {
            tracing::info!(
                table = %step.table,
                shard = %step.shard,
                "a step was too much, and those that are left are as large: the next plan has smaller ones"
            );
        }
        is_too_large
    }

    /// Fails outside of the window in which statements may be sent.
    ///
    /// # Errors
    /// [`EngineError::Closed`].
    pub fn check_window(&self) -> Result<(), EngineError> {
        let window = self.pacer.config().window;
        match window.opens_at(self.clock.now()) {
            None => Ok(()),
            Some(opens_at) => Err(EngineError::Closed { window, opens_at }),
        }
    }

    /// Why nothing more may be sent in a cycle, if so.
    pub(super) fn halt(&self, cycle: &Cycle<'_>) -> Option<CycleStatus> {
        let closed = || self.check_window().is_err().then_some(CycleStatus::Stopped);
        let deferred = || cycle.spent.is_used_up().then_some(CycleStatus::Deferred);
        cycle.halt().or_else(closed).or_else(deferred)
    }

    /// Waits for the pace, and until ClickHouse is not too busy, unless the cycle is halted
    /// meanwhile.
    ///
    /// # Errors
    /// Why the table must wait for another cycle.
    pub(super) async fn wait_for_turn(&self, place: &Place<'_>, n_due: u64) -> Result<(), Wait> {
        let cycle = place.cycle;
        let began = Instant::now();
        cycle.unless_halted(self.pacer.ready(n_due)).await;
        (self.observer)(&Event::Throttled {
            reason: "pace",
            length: began.elapsed(),
        });
        let mut before: Option<Wait> = None;
        while self.halt(cycle).is_none() {
            let look = async {
                if place.frees_disk {
                    self.pacer.look_to_free(place.shard, place.table).await
                } else {
                    self.pacer.look(place.shard, place.table).await
                }
            };
            let looked = cycle.unless_halted(look).await;
            let wait = match looked {
                Some(Decision::Wait(wait)) => wait,
                Some(Decision::Go) | None => break,
            };
            if before.as_ref().map(|before| before.signal) != Some(wait.signal) {
                self.say_held(place, Some(&wait));
            }
            if cycle.waited.add(place, Duration::ZERO) >= self.pacer.config().longest_wait {
                return Err(wait);
            }
            let began = Instant::now();
            cycle.unless_halted(sleep(LOOK_EVERY)).await;
            let length = began.elapsed();
            cycle.waited.add(place, length);
            (self.observer)(&Event::Throttled {
                reason: wait.signal.as_str(),
                length,
            });
            before = Some(wait);
        }
        if before.is_some() {
            self.say_held(place, None);
        }
        Ok(())
    }

    fn say_held(&self, place: &Place<'_>, wait: Option<&Wait>) {
        (self.observer)(&Event::HeldBack {
            shard: place.shard.name(),
            table: place.table,
            wait,
        });
    }

    /// Sends a statement; meanwhile and afterwards looks how the server copes, for the size of the
    /// next step.
    pub(super) async fn execute_watched(
        &self,
        part: &Part<'_>,
        request: &Request<'_>,
    ) -> (Execution, Duration) {
        let table = &*part.step.table;
        let began = Instant::now();
        let mut was_strained = false;
        let execution = {
            let mut execution = std::pin::pin!(part.shard.execute(request));
            loop {
                let look = async {
                    sleep(WATCH_EVERY).await;
                    let decision = self.pacer.look(part.shard, table).await;
                    self.look_for_stalls(part.shard, table).await;
                    decision
                };
                tokio::select! {
                    biased;
                    execution = &mut execution => break execution,
                    decision = look => was_strained |= decision != Decision::Go,
                }
            }
        };
        let took = began.elapsed();
        // What a drop takes says nothing of rows.
        if part.step.method == Method::Partition {
            return (execution, took);
        }
        was_strained |= self.pacer.look(part.shard, table).await != Decision::Go;
        let is_done = matches!(execution, Execution::Done);
        let n_rows = if is_done { part.step.n_due } else { 0 };
        // How long it would have taken nobody knows.
        was_strained |= !is_done && took > self.pacer.config().statement_target;
        if self
            .pacer
            .learn(part.shard, table, n_rows, took, was_strained)
        {
            let key = (Arc::clone(&part.step.shard), Arc::clone(&part.step.table));
            part.cycle.shrunk.lock().insert(key);
        }
        (execution, took)
    }

    async fn look_for_stalls(&self, shard: &Shard, table: &str) {
        match shard.unfinished_mutations(table).await {
            Ok(running) => self.say_stalled(shard, table, &running),
            // Whoever waits for the statement hears of it.
            Err(error) => tracing::debug!(table, %error, "cannot look for stalled mutations"),
        }
    }

    /// Says which of the unfinished mutations of a table are stalled, or that none is.
    pub(super) fn say_stalled(&self, shard: &Shard, table: &str, running: &[MutationState]) {
        let after = self.pacer.config().stall_after;
        let stalled = running.iter().filter_map(|running| running.stalled(after));
        (self.observer)(&Event::Stalled {
            shard: shard.name(),
            table,
            mutations: &stalled.collect::<Vec<String>>(),
        });
    }
}
