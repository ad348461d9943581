//! Whole partitions once more, immediately before they go and after it.

use super::strays::Strays;
use crate::compile::strays;
use crate::cutoff::Bounds;
use crate::engine::halve::Patience;
use crate::engine::of_day::Of;
use crate::engine::{Engine, error_chain};
use crate::plan::Step;
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

/// Of a hundred rows that a plan counted so many more may be there when its step begins: the share of
/// the table was allowed for those of the plan.
const MOST_GROWTH_PERCENT: u64 = 10;

impl Engine {
    /// The parts of the partitions of a step, the smallest first, of whose rows each is known to be
    /// expired; or why they must not be dropped.
    pub(in crate::engine) async fn parts_to_drop(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        step: &Step,
    ) -> Result<Vec<String>, String> {
        let Some(expired) = step.expired.filter(|_| {
            target.keep.is_empty() && target.ways.may_drop() && !step.partitions.is_empty()
        }) else {
            return Err("nothing proves that its partitions may be dropped now".into());
        };
        let (n_rows, parts) = match self.proven(shard, target, step, expired).await {
            Ok(Some(proven)) => proven,
            Ok(None) => self.count_anew(shard, target, step, expired).await?,
            Err(error) => return Err(error_chain(&error)),
        };
        if n_rows
            > step
                .n_due
                .saturating_add(step.n_due / 100 * MOST_GROWTH_PERCENT)
        {
            return Err(format!(
                "not dropped: the partitions hold {n_rows} rows, and the plan counted {}; the next \
                 one counts again",
                step.n_due
            ));
        }
        if parts.is_empty() {
            return Err("nothing is left in its partitions".into());
        }
        Ok(parts)
    }

    /// The rows and parts of the partitions of a step, the smallest first, where nothing came to them since
    /// this engine saw all of their rows.
    async fn proven(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        step: &Step,
        expired: Bounds,
    ) -> Result<Option<(u64, Vec<String>)>, WarehouseError> {
        let stored = shard.stored_parts(&target.table, &step.partitions).await?;
        let definition = shard.definition(&target.table).await?;
        let of = Of::new(shard, target, self.clock.now());
        let is_proven = self
            .seen
            .with(of, |seen| seen.proves(&definition, &stored, expired));
        let n_rows = stored.iter().map(|part| part.n_rows).sum();
        let parts = stored.into_iter().map(|part| part.name);
        Ok(is_proven.then(|| (n_rows, parts.collect())))
    }

    /// The same, counted now; or why they must not be dropped.
    async fn count_anew(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        step: &Step,
        expired: Bounds,
    ) -> Result<(u64, Vec<String>), String> {
        let mut patience = Patience::new();
        let counted = self
            .count_strays(shard, target, &step.partitions, expired, &mut patience)
            .await
            .map_err(|uncounted| uncounted.reason)?;
        if let Some(reason) = counted.why_too_dear() {
            return Err(reason);
        }
        let Strays { rows, parts, .. } = counted;
        if let Some(row) = rows.iter().find(|row| row.ebbtide_strays > 0) {
            return Err(format!(
                "not dropped: partition {} holds {} rows that are not expired for everybody, or have \
                 no age or workspace",
                row.ebbtide_partition, row.ebbtide_strays
            ));
        }
        let n_rows = rows.iter().map(|row| row.ebbtide_rows).sum();
        Ok((n_rows, parts))
    }

    /// Rows that are left in the partitions of a step.
    pub(in crate::engine) async fn count_whole(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        step: &Step,
    ) -> Result<u64, WarehouseError> {
        let expired = step.expired.unwrap_or(Bounds {
            below_ms: i64::MIN,
            from_ms: None,
        });
        let rows = shard
            .strays(&strays(target, &step.partitions, expired))
            .await?;
        Ok(rows.iter().map(|row| row.ebbtide_rows).sum())
    }
}
