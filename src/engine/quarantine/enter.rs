//! Moving whole partitions of a step to quarantine.
//!
//! Rows that were inserted after the last look and before the move are in quarantine too. They are
//! counted there, and where one of them should stay, its partition goes back at once.

use super::super::step::Part;
use super::super::{Engine, EngineError, error_chain};
use super::{Kept, Left, strays_in_it};
use crate::compile::create_quarantine;
use crate::cutoff::Bounds;
use crate::ledger::{NewQuarantine, QuarantineRecord, QuarantineState};
use crate::target::{CheckedTarget, Quarantine, QuarantineTable};
use crate::warehouse::{WarehouseError, marker};

impl Engine {
    /// Records that the partitions of a step are about to be moved, and makes the table for them.
    pub(in crate::engine) async fn open_quarantine(
        &self,
        part: &Part<'_>,
        target: &CheckedTarget,
        quarantine: Quarantine,
        kept_in: &QuarantineTable,
    ) -> Result<Result<Vec<NewQuarantine>, WarehouseError>, EngineError> {
        let Part { cycle, step, shard } = *part;
        let began_at = self.clock.now();
        let length = jiff::SignedDuration::from_hours(24 * i64::from(quarantine.length.get()));
        let of_partition = |partition: &std::sync::Arc<str>| NewQuarantine {
            cycle: cycle.id.clone(),
            step: step.number,
            partition: partition.to_string(),
            shard: step.shard.to_string(),
            table: step.table.to_string(),
            kept_in: kept_in.to_string(),
            began_at,
            keep_until: began_at + length,
        };
        let new: Vec<NewQuarantine> = step.partitions.iter().map(of_partition).collect();
        let holder = cycle.tenure.holder();
        self.ledger.begin_quarantine(&new, &holder).await?;
        let sql = create_quarantine(target, kept_in);
        let made = self.order(shard, kept_in.as_str(), &sql).await;
        Ok(made.map(|()| new))
    }

    /// Looks what the move of a step did. What cannot be asked now, a later cycle settles.
    pub(in crate::engine) async fn close_quarantine(
        &self,
        part: &Part<'_>,
        target: &CheckedTarget,
        kept_in: &QuarantineTable,
        moved: Vec<NewQuarantine>,
    ) -> Result<(), EngineError> {
        for new in moved {
            let partition = new.partition.clone();
            let record = QuarantineRecord {
                changed_at: new.began_at,
                quarantine: new,
                state: QuarantineState::Moving,
                n_rows: 0,
                n_bytes: 0,
                changed_by: part.cycle.tenure.holder(),
            };
            let kept = Kept {
                shard: part.shard,
                record: &record,
                table: kept_in,
                tenure: part.cycle.tenure,
            };
            let expired = part.step.expired.map(|expired| (target.clone(), expired));
            if let Err(reason) = self.settle_moved(kept, expired).await? {
                tracing::warn!(
                    partition,
                    reason,
                    "what a move to quarantine did is not known yet"
                );
            }
        }
        Ok(())
    }

    /// Whether nothing works on the move of a partition any more.
    pub(super) async fn is_moved(&self, kept: Kept<'_>) -> Result<bool, WarehouseError> {
        let new = &kept.record.quarantine;
        let identity = format!("{}-{}", new.cycle, new.step);
        let query_id = format!("ebbtide-{identity}");
        kept.shard
            .is_over(&query_id, &marker(&new.table, &identity))
            .await
    }

    /// Records what a move did that is certainly over: it is in quarantine, or never left its table.
    /// It goes back where a row in it should stay, and where nothing proves that none should.
    pub(super) async fn settle_moved(
        &self,
        kept: Kept<'_>,
        expired: Option<(CheckedTarget, Bounds)>,
    ) -> Left<()> {
        let partition = &kept.record.quarantine.partition;
        let there = match kept.shard.partitions(kept.table.as_str()).await {
            Ok(there) => there,
            Err(error) => return Ok(Err(error_chain(&error))),
        };
        let found = there.found.iter().find(|there| *there.id == **partition);
        let Some(found) = found.filter(|found| found.n_rows > 0) else {
            return match self.tidy(kept).await {
                Ok(()) => self.note(kept, QuarantineState::Undone, 0).await,
                Err(super::SendError::Ledger(error)) => Err(error),
                Err(super::SendError::Warehouse(error)) => Ok(Err(error_chain(&error))),
            };
        };
        let counted = match expired {
            Some((target, expired)) => self.count_kept(kept, &target, expired).await.map(Some),
            None => Ok(None),
        };
        let counted = match counted {
            Ok(counted) => counted,
            Err(error) => return Ok(Err(error_chain(&error))),
        };
        let n_rows = match &counted {
            Some(Ok((n_rows, _))) => *n_rows,
            _ => found.n_rows,
        };
        let record = QuarantineRecord {
            n_rows,
            n_bytes: found.n_bytes,
            ..kept.record.clone()
        };
        let kept = Kept {
            record: &record,
            ..kept
        };
        // Noted as kept first, it would stay so if this process died before the next statement.
        match counted {
            Some(Ok((n_rows, 0))) => self.note(kept, QuarantineState::Kept, n_rows).await,
            Some(Ok((_, n_strays))) => self.send_back(kept, &strays_in_it(n_strays)).await,
            Some(Err(hidden)) => self.send_back(kept, &hidden.to_string()).await,
            None => {
                let reason = "nothing proves now that all of it may go";
                self.send_back(kept, reason).await
            }
        }
    }
}
