//! Reclaim: freeing the disk of rows that are deleted, one partition after another.
//!
//! Invariant: one rewrite at a time in the whole installation, under the lease, with its intent in the
//! ledger before it; what it did is counted, never assumed. It deletes nothing: whoever holds rows
//! holds none of those that are masked, but who paused a table wants it left alone.

mod look;
mod rewrite;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::apply::Cycle;
use super::spent::Spent;
use super::turn::{Place, Shrunk, Waited};
use super::{CycleKind, CycleStatus, Engine, EngineError, Event, Tenure};
use crate::ledger::CycleStart;
use crate::plan::{Plan, Reclaim, Remains};
use crate::warehouse::{Rewrite, Shard};

pub use look::{SeenRemains, UnseenTable};

pub(crate) use look::read_note;
pub(super) use rewrite::{RECLAIM, Rewritten, unfinished};

/// What became of the rewrite of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReclaimReport {
    /// The cycle that it is on record as; none where nothing was sent.
    pub cycle: Option<String>,
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The partition, by id.
    pub partition: Arc<str>,
    /// Deleted rows that were on disk before.
    pub n_dead: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Reclaimed,
    /// How long it took, the counts included.
    #[serde(rename = "duration_ms", serialize_with = "super::report::as_ms")]
    pub duration: Duration,
}

/// What became of the rewrite of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Reclaimed {
    /// No deleted row is on disk any more, and no other row is gone.
    Freed {
        /// So much smaller the partition is.
        freed_bytes: u64,
    },
    /// Deletes that waited in patch parts are masks now, which can be applied next.
    Masked,
    /// It was sent, and did not do all of it, or nobody knows.
    Failed {
        /// Why.
        error: String,
    },
    /// Nothing was sent.
    Left {
        /// Why.
        reason: String,
    },
}

impl ReclaimReport {
    /// Bytes that are free now.
    pub fn freed_bytes(&self) -> u64 {
        match self.outcome {
            Reclaimed::Freed { freed_bytes } => freed_bytes,
            _ => 0,
        }
    }

    /// Whether it did what it was to do.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Reclaimed::Freed { .. } | Reclaimed::Masked)
    }

    fn new(remains: &Remains, outcome: Reclaimed) -> Self {
        Self {
            cycle: None,
            shard: Arc::clone(&remains.shard),
            table: Arc::clone(&remains.table),
            partition: Arc::clone(&remains.partition),
            n_dead: remains.n_dead,
            outcome,
            duration: Duration::ZERO,
        }
    }
}

impl Engine {
    /// Rewrites a partition with one statement, if it still is due right before: its masks are applied, or, where deletes
    /// wait in patch parts, these become masks first.
    ///
    /// # Errors
    /// [`EngineError::Closed`] outside of the window, other errors if the ledger fails. What goes wrong with the partition is
    /// in the report.
    #[tracing::instrument(
        name = "reclaim",
        skip_all,
        fields(table = %remains.table, partition = %remains.partition, shard = %remains.shard)
    )]
    pub async fn reclaim(
        &self,
        remains: &Remains,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<ReclaimReport, EngineError> {
        self.check_window()?;
        self.settle_left(tenure).await?;
        let began = std::time::Instant::now();
        // Nothing of it is planned.
        let plan = Plan::default();
        let cycle = Cycle {
            id: self.clock.unique_id(),
            plan: &plan,
            may_renew: false,
            tenure,
            stop,
            waited: Waited::default(),
            spent: Spent::new(self.limits.budget.time),
            shrunk: Shrunk::default(),
        };
        let mut report = self.reclaim_in(&cycle, remains).await?;
        report.duration = began.elapsed();
        (self.observer)(&Event::Reclaimed { report: &report });
        Ok(report)
    }

    async fn reclaim_in(
        &self,
        cycle: &Cycle<'_>,
        remains: &Remains,
    ) -> Result<ReclaimReport, EngineError> {
        let left = |reason: String| Ok(ReclaimReport::new(remains, Reclaimed::Left { reason }));
        let mut shards = self.warehouse.shards().iter();
        let Some(shard) = shards.find(|shard| shard.name() == &*remains.shard) else {
            return left("its shard is not configured any more".into());
        };
        let place = Place {
            cycle,
            shard,
            table: &remains.table,
            frees_disk: false,
        };
        if let Err(wait) = self.wait_for_turn(&place, remains.n_dead).await {
            return left(wait.to_string());
        }
        // Waiting may have taken a while: only now is it known what holds.
        let (revision, found) = match self.due_now(shard, remains).await? {
            Ok(found) => found,
            Err(reason) => return left(reason),
        };
        if let Some(status) = self.halt(cycle) {
            return left(halted(status).into());
        }
        (self.observer)(&Event::Reclaiming { reclaim: &found });
        self.begin(cycle, revision).await?;
        let rewritten = self.rewrite(cycle, shard, &found.remains).await;
        let status = rewritten.as_ref().map_or("failed", |report| status(report));
        let now = self.clock.now();
        let ended = self.ledger.end_cycle(&cycle.id, status, now).await;
        let report = rewritten?;
        ended?;
        Ok(ReclaimReport {
            cycle: Some(cycle.id.clone()),
            ..report
        })
    }

    /// What a partition holds, as of a revision of the ledger, if it is due; or why not.
    async fn due_now(
        &self,
        shard: &Shard,
        remains: &Remains,
    ) -> Result<Result<(u64, Reclaim), String>, EngineError> {
        let revision = self.ledger.revision().await?;
        let found = match self
            .look_at(shard, &remains.table, &remains.partition)
            .await?
        {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        // Only that one is asked for.
        let Some(found) = self.weigh(found).await?.into_iter().next() else {
            return Ok(Err("no deleted row of it is on disk any more".into()));
        };
        Ok(if found.is_due {
            Ok((revision, found))
        } else {
            Err(found.reason)
        })
    }

    /// A cycle of its own: rules and cutoffs have no part in it, but whoever pauses something after
    /// `revision` stops it.
    async fn begin(&self, cycle: &Cycle<'_>, revision: u64) -> Result<(), EngineError> {
        let now = self.clock.now();
        let start = CycleStart {
            id: cycle.id.clone(),
            started_at: now,
            as_of: now,
            rules_digest: String::new(),
            revision,
            kind: CycleKind::Reclaim.as_str().into(),
            plan_digest: String::new(),
            slot: None,
            asked: None,
            holder: cycle.tenure.holder(),
            lease_token: cycle.tenure.token(),
        };
        self.ledger.begin_cycle(&start).await?;
        Ok(())
    }
}

/// How its cycle ended. `reclaimed` is no success of deleting, which `done` would be.
fn status(report: &ReclaimReport) -> &'static str {
    match report.outcome {
        Reclaimed::Freed { .. } | Reclaimed::Masked => "reclaimed",
        Reclaimed::Failed { .. } => "failed",
        Reclaimed::Left { .. } => "stale",
    }
}

fn halted(status: CycleStatus) -> &'static str {
    match status {
        CycleStatus::LeaseLost => "the lease was lost",
        _ => "told to stop, or the window of the day closed",
    }
}

/// Which statement a partition needs next.
fn next(remains: &Remains) -> Rewrite {
    if remains.has_patches {
        Rewrite::Patches
    } else {
        Rewrite::Masks
    }
}
