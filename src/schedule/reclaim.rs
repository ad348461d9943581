//! Disk of deleted rows: looked at at its interval, whatever else is due, and freed when no slot is due.
//!
//! What was seen is in the ledger: every instance says the same, whichever of them looked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tracing::Instrument as _;

use super::next;
use super::world::World;
use super::{Live, Phase, Sidecar, Stop, Then, until_then};
use crate::engine::{EngineError, ReclaimReport, Reclaimed, Tenure, read_note};
use crate::ledger::{QuarantineRecord, RemainsNote};
use crate::plan::Remains;
use crate::telemetry::metric;

/// How old a look may be before somebody looks again; and how often an instance looks at most, since
/// what cannot be looked at stays old.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A partition that could not be rewritten is left for so long; others go on.
const PUT_OFF: Duration = Duration::from_hours(1);
/// One of which only the moment was wrong.
const LEFT_FOR: Duration = Duration::from_mins(5);

/// A shard, a table and a partition.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// What an instance remembers of it.
#[derive(Debug, Default)]
pub(super) struct Reclaiming {
    /// When its last look ended.
    looked_at: Option<Timestamp>,
    /// Whether rows went since.
    is_stale: bool,
    /// Until when partitions are left.
    put_off: HashMap<Key, Instant>,
}

impl Reclaiming {
    /// Rows went: what tables hold is not what it was.
    pub(super) fn rows_went(&mut self) {
        self.is_stale = true;
    }

    fn put_off(&mut self, remains: &Remains, length: Duration) {
        self.put_off.insert(key(remains), Instant::now() + length);
    }

    fn is_put_off(&self, remains: &Remains) -> bool {
        let until = self.put_off.get(&key(remains));
        until.is_some_and(|until| *until > Instant::now())
    }
}

fn key(remains: &Remains) -> Key {
    let Remains {
        shard,
        table,
        partition,
        ..
    } = remains;
    (Arc::clone(shard), Arc::clone(table), Arc::clone(partition))
}

impl Sidecar {
    /// Where no slot is due: looks what tables hold of deleted rows if some went, or frees the disk of
    /// some. Nothing where there is nothing to do.
    pub(super) async fn tidy_disk(
        &mut self,
        live: &Live,
        world: &World,
        n_slots: u32,
        stop: &Stop,
    ) -> Result<Option<Then>, EngineError> {
        if self.reclaiming.is_stale {
            self.look_at_remains(live, stop).await?;
            return Ok(Some(Then::Again));
        }
        let next_slot_at = next::day(&self.view(world, n_slots, &world.settled)).next_slot_at;
        let until_next_slot = until_then(world.now, next_slot_at);
        self.reclaim(live, world, until_next_slot, stop).await
    }

    /// Whether it is time to look what tables hold of deleted rows.
    pub(super) fn is_time_to_look(&self, live: &Live, world: &World) -> bool {
        let lately = |at: Timestamp| world.now.duration_since(at).abs() < LOOK_EVERY;
        is_old(live, world) && !self.reclaiming.looked_at.is_some_and(lately)
    }

    /// Looks what tables hold of deleted rows.
    pub(super) async fn look_at_remains(
        &mut self,
        live: &Live,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        self.reclaiming.is_stale = false;
        let Some(looked) = stop.unless_told(live.engine.remains()).await else {
            return Ok(());
        };
        // Not when it began: one that takes longer than the interval leaves time for slots, too.
        let ended_at = self.now().await.unwrap_or_else(|_| self.clock.now());
        self.reclaiming.looked_at = Some(ended_at);
        for unseen in looked?.unseen {
            tracing::warn!(
                shard = unseen.shard,
                table = unseen.table,
                reason = unseen.reason,
                "nobody knows what deleted rows hold of the disk"
            );
        }
        Ok(())
    }

    /// Rewrites the partition that is worth it most, if there is one; nothing where there is none. One
    /// a turn: a slot that is due comes first.
    async fn reclaim(
        &mut self,
        live: &Live,
        world: &World,
        until_next_slot: Duration,
        stop: &Stop,
    ) -> Result<Option<Then>, EngineError> {
        if !live.config.reclaim.enabled || live.engine.check_window().is_err() {
            return Ok(None);
        }
        let known = self.known_remains(&world.remains);
        let weighed = live.engine.weigh(known).await?;
        let mut due = weighed.into_iter().filter(|one| one.is_due);
        let Some(first) = due.find(|one| !self.reclaiming.is_put_off(&one.remains)) else {
            return Ok(None);
        };
        let length = live.config.serve.lease;
        let tenure = match Tenure::begin(&self.ledger, &self.instance, length).await {
            Ok(tenure) => tenure,
            // Whoever has it does something that is due.
            Err(EngineError::Busy { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.metrics.set_count(metric::LEASE_HELD, &[], 1);
        let remains = first.remains;
        let what = format!(
            "the disk of deleted rows of {} {} is freed: {}",
            remains.table, remains.partition, first.reason
        );
        self.board.phase(Phase::Working, what, world.now);
        let span = tracing::info_span!("cycle", kind = "reclaim", day = world.day);
        let rewrite = async {
            tokio::select! {
                biased;
                done = live.engine.reclaim(&remains, &tenure, &stop.gently) => Some(done),
                () = stop.at_once.cancelled() => None,
            }
        };
        let rewritten = self
            .watched(live, world, until_next_slot, rewrite.instrument(span))
            .await;
        self.give_lease_back(tenure, stop).await;
        self.reclaiming.rows_went();
        match rewritten {
            Some(Ok(report)) => self.reclaimed(&remains, &report),
            Some(Err(EngineError::Closed { .. })) | None => {}
            Some(Err(error)) => {
                self.reclaiming.put_off(&remains, LEFT_FOR);
                return Err(error);
            }
        }
        Ok(Some(Then::Again))
    }

    /// What did not work is not tried again at once.
    fn reclaimed(&mut self, remains: &Remains, report: &ReclaimReport) {
        let (reason, length) = match &report.outcome {
            Reclaimed::Freed { .. } | Reclaimed::Masked => return,
            Reclaimed::Failed { error } => (error, PUT_OFF),
            Reclaimed::Left { reason } => (reason, LEFT_FOR),
        };
        self.reclaiming.put_off(remains, length);
        tracing::warn!(
            table = &*remains.table,
            partition = &*remains.partition,
            reason,
            wait_ms = crate::telemetry::ms(length),
            "a partition is not rewritten; it is tried again later, and others go on"
        );
    }

    /// Publishes what all instances have seen.
    pub(super) fn show_remains(&self, notes: &[RemainsNote], now: Timestamp) {
        let live = Arc::clone(&self.live.borrow());
        let shards = live.engine.warehouse().shards();
        self.board.write(|status| {
            for target in &mut status.targets {
                target.show_remains(notes, shards, now);
                let label = [("table", target.table.as_str())];
                for (name, value) in [
                    (metric::DEAD_BYTES, target.dead_bytes),
                    (metric::RECLAIM_LAG, target.reclaim_lag_seconds),
                ] {
                    self.metrics.set_count(name, &label, value);
                }
            }
        });
    }

    /// Publishes what is in quarantine; the engine's observer has the metric.
    pub(super) fn show_quarantined(&self, records: &[QuarantineRecord]) {
        self.board.write(|status| {
            let targets = status.targets.iter_mut();
            targets.for_each(|target| target.show_quarantined(records));
        });
    }

    /// What was seen on the shards of the configuration.
    fn known_remains(&self, notes: &[RemainsNote]) -> Vec<Remains> {
        let live = self.live.borrow();
        let shards = live.engine.warehouse().shards();
        let is_ours = |note: &&RemainsNote| {
            let is_target = super::tables(&live.config).any(|table| table == note.table);
            is_target && shards.iter().any(|shard| shard.name() == note.shard)
        };
        notes.iter().filter(is_ours).flat_map(read_note).collect()
    }
}

/// Whether some table was not looked at for long.
fn is_old(live: &Live, world: &World) -> bool {
    let is_fresh = |shard: &str, table: &str| {
        let of_table = |note: &&RemainsNote| note.shard == shard && note.table == table;
        let note = world.remains.iter().find(of_table);
        note.is_some_and(|note| world.now.duration_since(note.at) < LOOK_EVERY)
    };
    let shards = live.engine.warehouse().shards().iter();
    shards
        .flat_map(|shard| super::tables(&live.config).map(move |table| (shard.name(), table)))
        .any(|(shard, table)| !is_fresh(shard, table))
}
