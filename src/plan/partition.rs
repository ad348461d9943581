//! Partitions: what is in them, and which ones only hold what is expired, whoever's it is.
//!
//! Invariant: [`for_everybody`] is inside the bounds of every policy that anybody has, or could have
//! by moving to another organization, so a partition inside of it holds no row that a policy keeps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::terms::{Base, Basis, Terms};
use crate::cutoff::Bounds;
use crate::resolve::Policies;
use crate::target::Period;

/// One partition of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// Its id; `all` where the table has no partition key.
    pub id: Arc<str>,
    /// The value of the partition key as the server writes it.
    pub value: String,
    /// Active parts.
    pub n_parts: u64,
    /// Patch parts of it that may not be applied yet.
    pub n_patches: u64,
    /// Rows in active parts, deleted ones included until they are merged away.
    pub n_rows: u64,
    /// Bytes on disk.
    pub n_bytes: u64,
    /// Expired rows that will go; all rows of one that goes as a whole.
    pub n_due: u64,
    /// The age of the oldest and of the newest of the rows that will go, in Unix milliseconds.
    pub due_ms: Option<(i64, i64)>,
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// Whether it goes as a whole.
    pub goes_whole: bool,
}

impl Partition {
    /// Whether all of its rows were counted as due, and are inside of an interval: then nobody's are not.
    /// Ages in whole milliseconds may be rounded either way, so a row at a bound tells nothing.
    pub(crate) fn is_all_due(&self, bounds: Bounds) -> bool {
        let is_inside = |(oldest_ms, newest_ms): (i64, i64)| {
            newest_ms < bounds.below_ms && bounds.from_ms.is_none_or(|from_ms| oldest_ms > from_ms)
        };
        self.n_due > 0 && self.n_due == self.n_rows && self.due_ms.is_some_and(is_inside)
    }
}

/// What only a person can decide; it is reported and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The partitions.
    pub partitions: Vec<Arc<str>>,
    /// What, and how.
    pub reason: String,
}

/// The interval in which every row is expired, whoever's it is; nothing if there is none, if
/// anything is held or paused, or for a backfill: what one scope was asked for is nobody else's.
pub fn for_everybody(terms: &Terms<'_>) -> Option<Bounds> {
    if !terms.guards.is_empty() || terms.backfill.is_some() {
        return None;
    }
    let of_now = common(terms, terms.policies)?;
    match (terms.basis, terms.base) {
        (Basis::Proposed, _) | (_, Base::NotNeeded | Base::At { policies: None, .. }) => {
            Some(of_now)
        }
        (Basis::Effective, Base::Missing) => None,
        (
            Basis::Effective,
            Base::At {
                policies: Some(base),
                ..
            },
        ) => common(terms, base)?.intersect(of_now),
    }
}

/// What the bounds of all rules and of the default have in common.
fn common(terms: &Terms<'_>, policies: &Policies<'_>) -> Option<Bounds> {
    let default = Bounds::new(terms.now, policies.default_retention().days(), None)?;
    policies.rules().iter().try_fold(default, |common, rule| {
        let from = (!rule.apply_to_past).then_some(rule.created_at);
        Bounds::new(terms.now, rule.retention.days(), from)?.intersect(common)
    })
}

/// The instant from which on nothing can be expired, under whatever policy of now; nothing if no
/// policy expires anything.
pub fn highest_cutoff_ms(terms: &Terms<'_>) -> Option<i64> {
    let policies = terms.policies;
    let rules = policies.rules().iter().map(|rule| &rule.retention);
    rules
        .chain([policies.default_retention()])
        .filter_map(|retention| Bounds::new(terms.now, retention.days(), None))
        .map(|bounds| bounds.below_ms)
        .max()
}

/// The partitions that can only hold rows of an interval.
pub fn inside(
    bounds: Bounds,
    period: Period,
    partitions: &[Partition],
) -> impl Iterator<Item = &Partition> {
    partitions.iter().filter(move |partition| {
        period.span_ms(&partition.value).is_some_and(|(from, to)| {
            to <= bounds.below_ms && bounds.from_ms.is_none_or(|least| from >= least)
        })
    })
}

#[cfg(test)]
mod tests;
