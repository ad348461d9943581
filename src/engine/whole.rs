//! Partitions that go as a whole: found for a plan, and proven again before they are dropped.
//!
//! Invariant: a partition is dropped only where the policies alone say that every row that can be in
//! it is expired, and where a count of what is in it says so too. Only the parts that were counted go:
//! whatever comes after the count stays.

use std::sync::Arc;

use super::Engine;
use super::probe::LeftOut;
use super::survey::error_chain;
use crate::compile::strays;
use crate::cutoff::Bounds;
use crate::plan::{ByHand, MOST_PARTS_DROPPED, Partition, Step, Terms, for_everybody, inside};
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard, WarehouseError};

/// A plan's count may be so many times exceeded when its step begins.
const MOST_GROWTH: u64 = 10;

/// The partitions of a table that go as a whole.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) expired: Option<Bounds>,
    pub(super) ids: Vec<Arc<str>>,
    pub(super) lag_s: u32,
    /// Larger than what the server lets this user drop.
    too_large: Vec<Arc<str>>,
}

impl Engine {
    /// Finds the partitions of a table that go as a whole, and marks them.
    pub(super) async fn find_whole(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        left_out: &LeftOut,
        partitions: &mut Partitions,
    ) -> Result<Whole, WarehouseError> {
        let mut whole = Whole::default();
        let Some(period) = target.ways.period.filter(|_| target.ways.may_drop()) else {
            return Ok(whole);
        };
        let Some(expired) = for_everybody(terms).filter(|_| may_go_whole(target, left_out)) else {
            return Ok(whole);
        };
        let most_bytes = partitions.most_bytes;
        let is_too_large = |partition: &Partition| most_bytes > 0 && partition.n_bytes > most_bytes;
        let ends_before_children = |partition: &&Partition| {
            let span = period.span_ms(&partition.value);
            let children_ms = left_out.others_ms.unwrap_or(i64::MAX);
            span.is_some_and(|(_, to)| to <= children_ms)
        };
        let found = inside(expired, period, &partitions.found).filter(ends_before_children);
        let (too_large, candidates): (Vec<&Partition>, Vec<&Partition>) =
            found.partition(|partition| is_too_large(partition));
        // So many parts cannot be named in one statement; merges make them fewer.
        let is_named = |partition: &&Partition| partition.n_parts <= MOST_PARTS_DROPPED;
        let id = |partition: &&Partition| Arc::clone(&partition.id);
        whole.too_large = too_large.iter().map(id).collect();
        let candidates = candidates.iter().copied().filter(is_named);
        let candidates: Vec<Arc<str>> = candidates.map(|partition| id(&partition)).collect();
        if candidates.is_empty() {
            return Ok(whole);
        }
        for row in shard.strays(&strays(target, &candidates, expired)).await? {
            let mut of_row = partitions.found.iter_mut();
            let of_row = of_row.find(|partition| *partition.id == *row.ebbtide_partition);
            let Some(partition) = of_row.filter(|_| row.ebbtide_strays == 0) else {
                continue;
            };
            partition.goes_whole = true;
            partition.n_due = row.ebbtide_rows;
            whole.ids.push(Arc::clone(&partition.id));
            let oldest_ms = row.ebbtide_oldest_ms.unwrap_or(expired.below_ms);
            let seconds = expired.below_ms.saturating_sub(oldest_ms) / 1_000;
            whole.lag_s = whole.lag_s.max(u32::try_from(seconds).unwrap_or(0));
        }
        whole.expired = (!whole.ids.is_empty()).then_some(expired);
        Ok(whole)
    }

    /// The parts of the partitions of a step, each counted now; or why they must not be dropped.
    pub(super) async fn count_parts(
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
        let sql = strays(target, &step.partitions, expired);
        let counted = shard.strays(&sql).await;
        let rows = counted.map_err(|error| error_chain(&error))?;
        if let Some(row) = rows.iter().find(|row| row.ebbtide_strays > 0) {
            return Err(format!(
                "not dropped: partition {} holds {} rows that are not expired for everybody, or have \
                 no age or workspace",
                row.ebbtide_partition, row.ebbtide_strays
            ));
        }
        let n_rows: u64 = rows.iter().map(|row| row.ebbtide_rows).sum();
        if n_rows > step.n_due.saturating_mul(MOST_GROWTH) {
            return Err(format!(
                "not dropped: the partitions hold {n_rows} rows, and the plan counted {}; the next \
                 one counts again",
                step.n_due
            ));
        }
        let parts: Vec<String> = rows.into_iter().flat_map(|row| row.ebbtide_parts).collect();
        if parts.is_empty() {
            return Err("nothing is left in its partitions".into());
        }
        Ok(parts)
    }

    /// Rows that are left in the partitions of a step.
    pub(super) async fn count_whole(
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

impl Whole {
    /// Partitions that would go as a whole if the server let this user drop them.
    pub(super) fn by_hand(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &Partitions,
    ) -> Option<ByHand> {
        let is_left =
            |partition: &&Partition| partition.n_due > 0 && self.too_large.contains(&partition.id);
        let left = partitions.found.iter().filter(is_left);
        let ids: Vec<Arc<str>> = left.map(|partition| Arc::clone(&partition.id)).collect();
        (!ids.is_empty()).then(|| ByHand {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            reason: format!(
                "every row of {} is expired for everybody, but each is larger than \
                 max_partition_size_to_drop ({} bytes): its rows are masked instead; raise the \
                 setting for this user, or drop it by hand",
                ids.join(", "),
                partitions.most_bytes
            ),
            partitions: ids,
        })
    }
}

/// Whether anybody's rows may go from a table unseen: nothing that another table protects, and
/// nobody's rows were left out of this table or of one before it.
fn may_go_whole(target: &CheckedTarget, left_out: &LeftOut) -> bool {
    target.keep.is_empty() && left_out.is_nobody()
}
