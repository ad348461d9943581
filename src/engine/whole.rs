//! Partitions that go as a whole: found for a plan, and proven again before they are dropped.
//!
//! Invariant: a partition is dropped only where a count says that every row in it is expired, whoever's
//! it is or could be: under what the policies of everybody have in common. Only the parts that were
//! counted go: whatever comes after the count stays.
//!
//! Which partitions are worth that count is told by their key, where it is a function of the age that is
//! understood, before anything else is counted there; and for other keys by how many of their rows
//! are due.

mod again;
mod obstacle;
mod refused;
mod undropped;

use std::sync::Arc;

use super::Engine;
use super::count::{PATIENCE, cost};
use super::probe::LeftOut;
use super::survey::error_chain;
use crate::compile::strays;
use crate::cutoff::Bounds;
use crate::plan::{
    Ages, ByHand, MOST_PARTS_DROPPED, Obstacle, Partition, Terms, for_everybody, inside,
};
use crate::target::CheckedTarget;
use crate::warehouse::{Hidden, Partitions, Shard, StraysRow, WarehouseError};

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
        let complete = |id: &mut Arc<str>| {
            let mut found = partitions.found.iter();
            found.any(|partition| partition.id == *id && partition.is_all_due(expired))
        };
        let complete: Vec<Arc<str>> = candidates.extract_if(.., complete).collect();
        let found = (Found::ByCount, complete);
        let undropped = &mut whole.undropped;
        let mut complete = self.sift(shard, target, found, partitions, undropped).await;
        complete.truncate(MOST_WHOLE.saturating_sub(whole.ids.len()));
        whole.take(&complete, expired, partitions);
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
        (found, candidates): (Found, Vec<Arc<str>>),
        partitions: &mut Partitions,
        whole: &mut Whole,
    ) {
        let undropped = &mut whole.undropped;
        let candidates = self.sift(shard, target, (found, candidates), partitions, undropped);
        let mut candidates = candidates.await;
        candidates.truncate(MOST_WHOLE.saturating_sub(whole.ids.len()));
        let mut groups = together(&candidates, &partitions.found);
        let mut patience = PATIENCE;
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

    /// What partitions hold, and how much of it somebody could want, with their parts; or why that is
    /// unknown: a row policy hides rows from a count, and not from a drop. Where it is too much for one
    /// look, several are made, until patience ends; what is too much by itself is left out.
    async fn count_strays(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &[Arc<str>],
        expired: Bounds,
        patience: &mut u32,
    ) -> Result<Strays, Uncounted> {
        let mut strays = Strays::default();
        let mut groups = vec![partitions];
        while let Some(group) = groups.pop() {
            if *patience == 0 {
                strays.too_dear.extend_from_slice(group);
                continue;
            }
            match self.count_together(shard, target, group, expired).await {
                Ok((rows, parts)) => {
                    strays.rows.extend(rows);
                    strays.parts.extend(parts);
                }
                Err(CountError::Warehouse(error)) if error.is_out_of_limits() => {
                    // Halves of what was not begun come to an end by themselves.
                    if group.len() < 2 || cost(&error) > 1 {
                        *patience = patience.saturating_sub(cost(&error));
                    }
                    strays.too_much = Some(error);
                    if group.len() < 2 {
                        strays.too_dear.extend_from_slice(group);
                    } else {
                        let (first, second) = group.split_at(group.len() / 2);
                        groups.extend([second, first]);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(strays)
    }

    /// The same in one look; the parts are in the order of their size.
    async fn count_together(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &[Arc<str>],
        expired: Bounds,
    ) -> Result<(Vec<StraysRow>, Vec<String>), CountError> {
        let rows = shard.strays(&strays(target, partitions, expired)).await?;
        let parts = rows.iter().flat_map(|row| &row.ebbtide_parts);
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        let now = shard.parts_now(&target.table, &parts).await?;
        let is_seen = now.n_seen == now.n_stored && now.by_size.len() == parts.len();
        // A drop names the parts. A move does not: it also takes those of which this user sees nothing.
        if is_seen && target.ways.quarantine.is_none() {
            return Ok((rows, now.by_size));
        }
        let hidden = shard.hidden_rows(&target.table, partitions).await?;
        if is_seen && hidden.is_empty() {
            return Ok((rows, now.by_size));
        }
        Err(CountError::Hidden(hidden))
    }
}

impl Whole {
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

/// What was counted in partitions.
#[derive(Default)]
struct Strays {
    rows: Vec<StraysRow>,
    parts: Vec<String>,
    /// Each of them is too much for a look, or looks at others were too much too often.
    too_dear: Vec<Arc<str>>,
    /// Why the last look was too much.
    too_much: Option<WarehouseError>,
}

impl Strays {
    /// Why some were not counted, if any were not.
    fn why_too_dear(&self) -> Option<String> {
        let why = || match &self.too_much {
            Some(error) => error_chain(error),
            None => "too many looks were too much".into(),
        };
        (!self.too_dear.is_empty()).then(why)
    }
}

/// Why nobody knows what partitions hold.
struct Uncounted {
    reason: String,
    /// Those of which this user does not see every row: without them the others might be counted.
    hidden: Vec<Arc<str>>,
}

enum CountError {
    Warehouse(WarehouseError),
    Hidden(Vec<Hidden>),
}

impl From<WarehouseError> for CountError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(error)
    }
}

impl From<CountError> for Uncounted {
    fn from(error: CountError) -> Self {
        match error {
            CountError::Warehouse(error) => Self {
                reason: error_chain(&error),
                hidden: Vec::new(),
            },
            CountError::Hidden(hidden) => {
                let why = hidden.first().map_or_else(
                    || "its parts are being merged".to_owned(),
                    ToString::to_string,
                );
                Self {
                    reason: format!("not dropped: {why}"),
                    hidden: hidden.into_iter().map(|it| it.partition.into()).collect(),
                }
            }
        }
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

/// Candidates in groups that can be counted in one statement each, as many as may go. In each the small
/// come first: they are proven before looks at large ones are too much too often.
fn together(candidates: &[Arc<str>], found: &[Partition]) -> Vec<Vec<Arc<str>>> {
    let mut groups: Vec<(u64, Vec<&Partition>)> = Vec::new();
    let of_id = |id: &Arc<str>| found.iter().find(|partition| partition.id == *id);
    for partition in candidates.iter().filter_map(of_id) {
        match groups.last_mut() {
            Some((n_together, some)) if *n_together + partition.n_parts <= MOST_PARTS_DROPPED => {
                *n_together += partition.n_parts;
                some.push(partition);
            }
            _ => groups.push((partition.n_parts, vec![partition])),
        }
    }
    let by_size = |(_, mut some): (u64, Vec<&Partition>)| {
        some.sort_by_key(|partition| partition.n_rows);
        ids(some.into_iter())
    };
    groups.into_iter().map(by_size).collect()
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
