//! Steps of a process that died: what became of them. Until somebody asks, all rows that were due
//! count as deleted on that day, also where nothing was ever sent.
//!
//! Invariant: only what is counted is recorded, and not before the statement is certainly over.

use std::time::Duration;

use super::reclaim::{RECLAIM, Rewritten, unfinished};
use super::{Engine, EngineError, Tenure, error_chain};
use crate::compile::recount;
use crate::ledger::{LedgerError, StepIntent, StepOutcome, StepRecord};
use crate::plan::Method;
use crate::warehouse::{Shard, WarehouseError, marker};

/// The share of a day is counted from its midnight on; what is older is history.
const LOOKS_BACK: Duration = Duration::from_hours(24);

impl Engine {
    /// Records what is left under the steps of the last day that holders of earlier leases left without an
    /// outcome. Who only was frozen may still say more: the verdict stays `unknown`. Those that still
    /// run, or whose shard cannot be asked, are left for later.
    ///
    /// # Errors
    /// [`EngineError::Ledger`].
    pub(crate) async fn settle_left(&self, tenure: &Tenure) -> Result<(), EngineError> {
        let since = self.clock.now() - LOOKS_BACK;
        let steps = self.ledger.unsettled_steps(tenure.token(), since).await?;
        let mut n_settled = 0;
        for step in steps {
            let intent = &step.intent;
            let rows_left = match self.left_under(&step).await {
                Ok(Some(rows_left)) => rows_left,
                Ok(None) => continue,
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(
                        cycle = intent.cycle,
                        step = intent.step,
                        error,
                        "what became of a step is not known yet"
                    );
                    continue;
                }
            };
            let outcome = StepOutcome {
                cycle: intent.cycle.clone(),
                step: intent.step,
                verdict: "unknown".into(),
                rows_left: Some(rows_left),
                error: Some("its process ended; counted afterwards".into()),
                duration_ms: 0,
                finished_at: self.clock.now(),
            };
            match self.ledger.finish_step(&outcome).await {
                Ok(()) => n_settled += 1,
                // It was only slow, and has said so itself just now.
                Err(LedgerError::NotOpen { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if n_settled > 0 {
            tracing::info!(n_settled, "steps of a process that ended were settled");
        }
        Ok(())
    }

    /// Rows that are left under the predicate of a step, in its partition; nothing while its statement runs, or where it
    /// cannot be counted like this.
    async fn left_under(&self, step: &StepRecord) -> Result<Option<u64>, WarehouseError> {
        let intent = &step.intent;
        let mut shards = self.warehouse.shards().iter();
        let shard = shards.find(|shard| shard.name() == intent.shard);
        if let (Some(shard), RECLAIM) = (shard, &*intent.method) {
            return dead_under(shard, intent).await;
        }
        // Of whole partitions there is no predicate: all their rows go on counting as deleted.
        let masks_rows = intent.method != Method::Partition.as_str();
        let (Some(shard), true) = (shard, masks_rows && !intent.predicate.is_empty()) else {
            return Ok(None);
        };
        let identity = format!("{}-{}", intent.cycle, intent.step);
        if !shard
            .is_over(&intent.query_id, &marker(&intent.table, &identity))
            .await?
        {
            return Ok(None);
        }
        let sql = recount(shard.database(), &intent.table, &intent.predicate);
        shard.recount(&sql).await.map(Some)
    }
}

/// Deleted rows that are on disk after a rewrite; nothing while it may run. Its mutation has no marker: any that
/// is not finished may be it.
async fn dead_under(shard: &Shard, intent: &StepIntent) -> Result<Option<u64>, WarehouseError> {
    let of: Option<Vec<Rewritten>> = serde_json::from_str(&intent.bounds).ok();
    let Some(of) = of.and_then(|of| of.into_iter().next()) else {
        return Ok(None);
    };
    let is_over =
        !shard.is_running(&intent.query_id).await? && unfinished(shard, &intent.table).await? == 0;
    if !is_over {
        return Ok(None);
    }
    let rows = shard
        .masked_rows(&intent.table, Some(&of.partition))
        .await?;
    Ok(Some(rows.iter().map(|rows| rows.n_dead).sum()))
}
