//! Splitting by time: an arm with more rows due than go in one step becomes adjacent pieces, oldest
//! first.
//!
//! Invariant: the pieces of an arm cover its interval exactly, and each is within the limit unless
//! its rows are of one instant.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::{Ages, Arm};
use crate::cutoff::Bounds;

/// When the expired rows of an arm are from.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// The arm.
    pub arm: Arm,
    /// The stretches of time that have rows, in any order.
    pub buckets: Vec<Bucket>,
}

/// The expired rows of one stretch of time, in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The id of the partition; empty where the table has no partition key.
    pub partition: Arc<str>,
    /// Where it begins, in Unix milliseconds; it ends where the next one begins.
    pub from_ms: i64,
    /// Expired rows that will go.
    pub n_due: u64,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// From when those are that will go.
    pub ages: Ages,
}

/// Arms, none with more rows than a step unless that cannot be.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) arms: Vec<Arm>,
    /// Those that are larger all the same.
    instants: Vec<(Policy, Bounds)>,
}

/// Why a step is larger than steps are.
const OF_ONE_INSTANT: &str = "so many rows are of one instant";

impl Split {
    /// Why an arm is larger than a step, if it is.
    pub(super) fn note(&self, arms: &[Arm]) -> Option<&'static str> {
        let [arm] = arms else { return None };
        let is_its = |(of, bounds): &(_, Bounds)| *of == policy(arm) && *bounds == arm.bounds;
        self.instants.iter().any(is_its).then_some(OF_ONE_INSTANT)
    }
}

/// Splits the arms that have more rows due than the limit, with what is known of those in some
/// partitions, or in all if none is named.
pub(super) fn split(
    arms: Vec<Arm>,
    histograms: &[Histogram],
    partitions: &[Arc<str>],
    limit: u64,
) -> Split {
    let mut split = Split::default();
    let mut policies: HashSet<Policy> = HashSet::default();
    for arm in arms {
        let of_arm = |histogram: &&Histogram| {
            policy(&histogram.arm) == policy(&arm) && histogram.arm.bounds == arm.bounds
        };
        let histogram = histograms.iter().filter(|_| arm.n_due > limit).find(of_arm);
        let Some(histogram) = histogram else {
            split.arms.push(arm);
            continue;
        };
        let policy = policy(&arm);
        let pieces = pieces(&arm, &merged(&histogram.buckets, partitions), limit);
        let large = pieces.iter().filter(|piece| piece.n_due > limit);
        let instants = large.map(|piece| (policy.clone(), piece.bounds));
        split.instants.extend(instants);
        split.arms.extend(pieces);
        policies.insert(policy);
    }
    if !policies.is_empty() {
        number(&mut split.arms, &policies);
    }
    split
}

/// Whose rows an arm takes.
type Policy = (Arc<str>, Option<Arc<str>>);

fn policy(arm: &Arm) -> Policy {
    (Arc::clone(&arm.workspace), arm.project().cloned())
}

/// The buckets of some partitions in the order of time, those of the same stretch together.
fn merged(buckets: &[Bucket], partitions: &[Arc<str>]) -> Vec<Bucket> {
    let is_named = |bucket: &&Bucket| {
        let is_due = bucket.n_due > 0 || bucket.n_kept > 0;
        is_due && (partitions.is_empty() || partitions.contains(&bucket.partition))
    };
    let mut found: Vec<Bucket> = buckets.iter().filter(is_named).cloned().collect();
    found.sort_by_key(|bucket| bucket.from_ms);
    found.dedup_by(|next, bucket| {
        let is_same = next.from_ms == bucket.from_ms;
        if is_same {
            bucket.n_due += next.n_due;
            bucket.n_kept += next.n_kept;
            bucket.ages = bucket.ages.and(next.ages);
        }
        is_same
    });
    found
}

/// The pieces of an arm, oldest first: as many buckets each as fit.
fn pieces(arm: &Arm, buckets: &[Bucket], limit: u64) -> Vec<Arm> {
    let mut empty = Arm {
        cut_from: Some(arm.cut_from.unwrap_or(arm.bounds)),
        ..arm.clone()
    };
    empty.forget_counts();
    let mut pieces: Vec<Arm> = Vec::new();
    let mut piece = empty.clone();
    for bucket in buckets {
        let is_full = piece.n_due > 0 && piece.n_due.saturating_add(bucket.n_due) > limit;
        let cut = Bounds {
            from_ms: Some(bucket.from_ms),
            ..piece.bounds
        };
        // A stretch may begin before the arm does.
        if is_full && piece.bounds.intersect(cut) == Some(cut) && cut != piece.bounds {
            piece.bounds.below_ms = bucket.from_ms;
            pieces.push(piece);
            piece = Arm {
                bounds: cut,
                ..empty.clone()
            };
        }
        piece.count(bucket.n_due, bucket.n_kept, bucket.ages);
    }
    pieces.push(piece);
    if pieces.len() == 1 {
        // What went meanwhile, or is of one instant, is what the plan counted before.
        return vec![arm.clone()];
    }
    pieces
}

/// Numbers all pieces of some policies in the order of time.
fn number(arms: &mut [Arm], policies: &HashSet<Policy>) {
    let mut of_policies: HashMap<Policy, Vec<&mut Arm>> = HashMap::with_capacity(policies.len());
    for arm in arms {
        let policy = policy(arm);
        if policies.contains(&policy) {
            of_policies.entry(policy).or_default().push(arm);
        }
    }
    for mut pieces in of_policies.into_values() {
        pieces.sort_unstable_by_key(|arm| arm.bounds);
        for (piece, arm) in (0..).zip(pieces) {
            arm.piece = piece;
        }
    }
}

#[cfg(test)]
mod tests;
