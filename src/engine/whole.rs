//! Partitions that go as a whole: found for a plan, and proven again before they are dropped, unless they
//! hold the very parts that were seen for the plan.
//!
//! Invariant: a partition is dropped only where every row in it was seen to be expired, whoever's it is or
//! could be: under what the policies of everybody have in common. Only the parts that were seen go: whatever
//! comes after that stays.
//!
//! Which partitions are worth that count is told by their key, where it is a function of the age that is
//! understood, before anything else is counted there; and for other keys by how many of their rows
//! are due.

mod again;
mod obstacle;
mod refused;
mod seen;
mod strays;
mod undropped;

use std::sync::Arc;

use super::Engine;
use super::halve::Patience;
use super::probe::LeftOut;
use crate::cutoff::Bounds;
use crate::plan::{Ages, ByHand, Obstacle, Partition, Terms, for_everybody, inside};
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard};

pub(super) use seen::Seen;
use strays::{Uncounted, together};
use undropped::{Found, Undropped, Why};

/// Partitions that go as a whole in one plan: each is named in later counts, and the server reads
/// 256 KiB at most.
const MOST_WHOLE: usize = 1_000;

/// The partitions of a table that go as a whole.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) expired: Option<Bounds>,
    pub(super) ids: Vec<Arc<str>>,
    pub(super) lag_s: u32,
    /// Whether one look read all that is due: a proof reads no more.
    pub(super) is_told: bool,
    /// What is in the way of all others.
    of_table: Option<Obstacle>,
    /// No row before this instant is left to another slot or cycle, in the tables before it.
    others_ms: Option<i64>,
    /// Whether any is, in this table too.
    has_others: bool,
    /// Those with rows that are not expired for everybody.
    strays: Vec<(Arc<str>, u64)>,
    /// Those that only a person can let go.
    undropped: Undropped,
}

impl Engine {
    /// Finds the partitions of a table that go as a whole by their key, and marks them.
    pub(super) async fn find_whole(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        left_out: &LeftOut,
        partitions: &mut Partitions,
    ) -> Whole {
        let mut whole = Whole {
            others_ms: left_out.others_ms,
            ..Whole::default()
        };
        let expired = match everybody_s(target, terms, left_out) {
            Ok(expired) => expired,
            Err(obstacle) => {
                whole.of_table = Some(obstacle);
                return whole;
            }
        };
        let Some(period) = target.ways.period else {
            return whole;
        };
        let ends_before_children = |partition: &&Partition| {
            let span = period.span_ms(&partition.value);
            let children_ms = left_out.others_ms.unwrap_or(i64::MAX);
            span.is_some_and(|(_, to)| to <= children_ms)
        };
        let found = inside(expired, period, &partitions.found);
        let found = found.filter(ends_before_children);
        let found = found.filter(|partition| may_move(target, partition));
        let found = (Found::ByKey, ids(found));
        let undropped = &mut whole.undropped;
        let candidates = self.sift(shard, target, found, partitions, undropped).await;
        let found = (Found::ByKey, candidates);
        self.prove_whole(shard, target, expired, found, partitions, &mut whole)
            .await;
        whole
    }

    /// Finds more of them by what was counted, and marks them; whether there are any.
    pub(super) async fn find_more(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        left_out: &LeftOut,
        (partitions, whole): (&mut Partitions, &mut Whole),
    ) -> bool {
        // Nobody knows how old the rows are that are not due.
        let has_children = left_out.others_ms.is_some();
        whole.has_others = has_children;
        // Late rows are only old where the key says so, and a move takes them along.
        let is_moved = target.ways.quarantine.is_some();
        let expired = everybody_s(target, terms, left_out);
        let expired = expired.ok().filter(|_| !has_children && !is_moved);
        let Some(expired) = expired else {
            return false;
        };
        let is_due = |partition: &&Partition| !partition.goes_whole && nearly_all(partition);
        let mut candidates = ids(partitions.found.iter().filter(is_due));
        candidates.retain(|id| !whole.undropped.names(id));
        let n_before = whole.ids.len();
        let found = (Found::ByCount, candidates);
        let undropped = &mut whole.undropped;
        let mut candidates = self.sift(shard, target, found, partitions, undropped).await;
        if whole.is_told {
            let is_all_due = |id: &mut Arc<str>| {
                let mut found = partitions.found.iter();
                found.any(|partition| partition.id == *id && partition.is_all_due(expired))
            };
            let mut all_due: Vec<_> = candidates.extract_if(.., is_all_due).collect();
            all_due.truncate(whole.room());
            whole.take(&all_due, expired, partitions);
        }
        let found = (Found::ByCount, candidates);
        self.prove_whole(shard, target, expired, found, partitions, whole)
            .await;
        whole.ids.len() > n_before
    }

    /// Marks those of some partitions in which a count finds no row that anybody could want. Where it
    /// cannot be made they are masked like others: nothing waits for it.
    async fn prove_whole(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        expired: Bounds,
        (found, mut candidates): (Found, Vec<Arc<str>>),
        partitions: &mut Partitions,
        whole: &mut Whole,
    ) {
        candidates.truncate(whole.room());
        let mut groups = together(&candidates, &partitions.found);
        let mut patience = Patience::new();
        let warn = |reason: String| {
            let (shard, table) = (shard.name(), &*target.table);
            tracing::warn!(
                shard,
                table,
                reason,
                "not all partitions are known to go as a whole"
            );
        };
        while let Some(mut some) = groups.pop() {
            let counted = self.count_strays(shard, target, &some, expired, &mut patience);
            let counted = match counted.await {
                Ok(counted) => counted,
                Err(Uncounted { reason, hidden }) => {
                    warn(reason.clone());
                    if hidden.is_empty() {
                        whole.of_table = Some(Obstacle::Undropped(reason));
                        return;
                    }
                    // The others are counted without them.
                    some.retain(|id| !hidden.contains(id));
                    groups.extend(Some(some).filter(|some| !some.is_empty()));
                    whole.undropped.note(found, hidden, Why::Hidden);
                    continue;
                }
            };
            if let Some(reason) = counted.why_too_dear() {
                warn(reason);
            }
            let too_dear = counted.too_dear;
            whole.undropped.note(found, too_dear, Why::TooDear);
            let mut proven = Vec::new();
            for row in counted.rows {
                let mut of_row = partitions.found.iter_mut();
                let of_row = of_row.find(|partition| *partition.id == *row.ebbtide_partition);
                let Some(partition) = of_row else { continue };
                if row.ebbtide_strays > 0 {
                    let id = Arc::clone(&partition.id);
                    whole.strays.push((id, row.ebbtide_strays));
                    continue;
                }
                partition.ages = Ages {
                    oldest_ms: row.ebbtide_oldest_ms,
                    newest_ms: row.ebbtide_newest_ms,
                };
                partition.n_due = row.ebbtide_rows;
                proven.push(Arc::clone(&partition.id));
            }
            whole.take(&proven, expired, partitions);
        }
    }
}

impl Whole {
    /// So many more may go.
    fn room(&self) -> usize {
        MOST_WHOLE.saturating_sub(self.ids.len())
    }

    /// Marks partitions whose rows are known to be expired for everybody.
    fn take(&mut self, ids: &[Arc<str>], expired: Bounds, partitions: &mut Partitions) {
        for id in ids {
            let mut found = partitions.found.iter_mut();
            let Some(partition) = found.find(|partition| partition.id == *id) else {
                continue;
            };
            partition.goes_whole = true;
            let oldest_ms = partition.ages.oldest_ms.unwrap_or(expired.below_ms);
            let seconds = expired.below_ms.saturating_sub(oldest_ms) / 1_000;
            self.lag_s = self.lag_s.max(u32::try_from(seconds).unwrap_or(0));
            self.expired = Some(expired);
            self.ids.push(Arc::clone(id));
        }
    }

    /// What is left to a person.
    pub(super) fn by_hand(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &Partitions,
    ) -> Vec<ByHand> {
        self.undropped.by_hand(shard, target, partitions)
    }
}

/// The interval in which anybody's rows may go from a table unseen: nothing that another table
/// protects, and nobody's rows were left out of this table or of one before it; or what is in the way.
fn everybody_s(
    target: &CheckedTarget,
    terms: &Terms<'_>,
    left_out: &LeftOut,
) -> Result<Bounds, Obstacle> {
    if !target.ways.may_drop() {
        return Err(Obstacle::Method(target.ways.method));
    }
    if let Some(clause) = target.keep.first() {
        return Err(Obstacle::Keep(clause.keep.in_table.clone()));
    }
    let expired = for_everybody(terms)?;
    left_out.obstacle().map_or(Ok(expired), Err)
}

/// Whether a count of a partition is worth it whatever its key says.
fn nearly_all(partition: &Partition) -> bool {
    let n_nearly_all = partition.n_rows.saturating_sub(partition.n_rows / 10);
    partition.n_due > 0 && partition.n_due >= n_nearly_all
}

/// The server moves no partition to quarantine with patches that are not applied.
fn may_move(target: &CheckedTarget, partition: &Partition) -> bool {
    target.ways.quarantine.is_none() || partition.n_patches == 0
}

fn ids<'p>(partitions: impl Iterator<Item = &'p Partition>) -> Vec<Arc<str>> {
    partitions
        .map(|partition| Arc::clone(&partition.id))
        .collect()
}
