//! Partitions that go as a whole: found for a plan, and proven again before they are dropped.
//!
//! Invariant: a partition is dropped only where a count says that every row in it is expired, whoever's
//! it is or could be: under what the policies of everybody have in common. Only the parts that were
//! counted go: whatever comes after the count stays.
//!
//! Which partitions are worth that count is told by their key, where it is a function of the age that is
//! understood, before anything else is counted there; and for other keys by how many of their rows
//! are due.

mod undropped;

use std::sync::Arc;

use super::Engine;
use super::probe::LeftOut;
use super::survey::error_chain;
use crate::compile::strays;
use crate::cutoff::Bounds;
use crate::plan::{ByHand, MOST_PARTS_DROPPED, Partition, Step, Terms, for_everybody, inside};
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard, StraysRow, WarehouseError};

use undropped::{Found, Undropped};

/// Of a hundred rows that a plan counted so many more may be there when its step begins: the share of
/// the table was allowed for those of the plan.
const MOST_GROWTH_PERCENT: u64 = 10;
/// Partitions that go as a whole in one plan: each is named in later counts, and the server reads
/// 256 KiB at most.
const MOST_WHOLE: usize = 1_000;

/// The partitions of a table that go as a whole.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) expired: Option<Bounds>,
    pub(super) ids: Vec<Arc<str>>,
    pub(super) lag_s: u32,
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
        let mut whole = Whole::default();
        let Some(expired) = everybody_s(target, terms, left_out) else {
            return whole;
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
        // Late rows are only old where the key says so, and a move takes them along.
        let is_moved = target.ways.quarantine.is_some();
        let expired = everybody_s(target, terms, left_out);
        let Some(expired) = expired.filter(|_| !has_children && !is_moved) else {
            return false;
        };
        let is_due = |partition: &&Partition| {
            let n_nearly_all = partition.n_rows.saturating_sub(partition.n_rows / 10);
            !partition.goes_whole && partition.n_due > 0 && partition.n_due >= n_nearly_all
        };
        let mut candidates = ids(partitions.found.iter().filter(is_due));
        candidates.retain(|id| !whole.undropped.names(id));
        let found = (Found::ByCount, candidates);
        let n_before = whole.ids.len();
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
        (found, candidates): (Found, Vec<Arc<str>>),
        partitions: &mut Partitions,
        whole: &mut Whole,
    ) {
        let candidates = whole.undropped.sift(found, candidates, partitions);
        let mut groups = together(&candidates, &partitions.found);
        while let Some(mut some) = groups.pop() {
            let counted = match self.count_strays(shard, target, &some, expired).await {
                Ok(counted) => counted,
                Err(uncounted) => {
                    let (shard, table) = (shard.name(), &*target.table);
                    let Uncounted { reason, hidden } = uncounted;
                    tracing::warn!(
                        shard,
                        table,
                        reason,
                        "no partition is known to go as a whole"
                    );
                    if hidden.is_empty() {
                        return;
                    }
                    // The others are counted without them.
                    some.retain(|id| !hidden.contains(id));
                    groups.extend(Some(some).filter(|some| !some.is_empty()));
                    whole.undropped.hides(found, hidden);
                    continue;
                }
            };
            for row in counted {
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
                whole.expired = Some(expired);
            }
        }
    }

    /// What partitions hold, and how much of it somebody could want; or why that is unknown: a row
    /// policy hides rows from a count, and not from a drop.
    async fn count_strays(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &[Arc<str>],
        expired: Bounds,
    ) -> Result<Vec<StraysRow>, Uncounted> {
        let rows = shard.strays(&strays(target, partitions, expired)).await?;
        let parts = rows.iter().flat_map(|row| &row.ebbtide_parts);
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        let of_parts = shard.rows_of_parts(&target.table, &parts).await?;
        let is_seen = of_parts.n_seen == of_parts.n_stored;
        // A drop names the parts. A move does not: it also takes those of which this user sees nothing.
        if is_seen && target.ways.quarantine.is_none() {
            return Ok(rows);
        }
        let hidden = shard.hidden_rows(&target.table, partitions).await?;
        if is_seen && hidden.is_empty() {
            return Ok(rows);
        }
        let why = hidden.first().map_or_else(
            || "its parts are being merged".to_owned(),
            ToString::to_string,
        );
        Err(Uncounted {
            reason: format!("not dropped: {why}"),
            hidden: hidden.into_iter().map(|it| it.partition.into()).collect(),
        })
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
        let rows = self
            .count_strays(shard, target, &step.partitions, expired)
            .await
            .map_err(|uncounted| uncounted.reason)?;
        if let Some(row) = rows.iter().find(|row| row.ebbtide_strays > 0) {
            return Err(format!(
                "not dropped: partition {} holds {} rows that are not expired for everybody, or have \
                 no age or workspace",
                row.ebbtide_partition, row.ebbtide_strays
            ));
        }
        let n_rows: u64 = rows.iter().map(|row| row.ebbtide_rows).sum();
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

/// Why nobody knows what partitions hold.
struct Uncounted {
    reason: String,
    /// The partitions of which this user does not see every row, if that is why.
    hidden: Vec<Arc<str>>,
}

impl From<WarehouseError> for Uncounted {
    fn from(error: WarehouseError) -> Self {
        Self {
            reason: error_chain(&error),
            hidden: Vec::new(),
        }
    }
}

/// The interval in which anybody's rows may go from a table unseen: nothing that another table
/// protects, and nobody's rows were left out of this table or of one before it.
fn everybody_s(target: &CheckedTarget, terms: &Terms<'_>, left_out: &LeftOut) -> Option<Bounds> {
    let may_drop = target.ways.may_drop() && target.keep.is_empty() && left_out.is_nobody();
    for_everybody(terms).filter(|_| may_drop)
}

/// Candidates in groups that can be counted in one statement each, as many as may go.
fn together(candidates: &[Arc<str>], found: &[Partition]) -> Vec<Vec<Arc<str>>> {
    let mut groups: Vec<(u64, Vec<Arc<str>>)> = Vec::new();
    for id in candidates.iter().take(MOST_WHOLE) {
        let partition = found.iter().find(|partition| partition.id == *id);
        let n_parts = partition.map_or(0, |partition| partition.n_parts);
        match groups.last_mut() {
            Some((n_together, ids)) if *n_together + n_parts <= MOST_PARTS_DROPPED => {
                *n_together += n_parts;
                ids.push(Arc::clone(id));
            }
            _ => groups.push((n_parts, vec![Arc::clone(id)])),
        }
    }
    groups.into_iter().map(|(_, ids)| ids).collect()
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
