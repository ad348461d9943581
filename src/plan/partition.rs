//! Partitions: what is in them, and which ones only hold what is expired, whoever's it is.
//!
//! Invariant: [`for_everybody`] is inside the bounds of every policy that anybody has, or could have
//! by moving to another organization, so a partition inside of it holds no row that a policy keeps.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Ages;
use super::obstacle::{KeptBy, Obstacle};
use super::terms::{Base, Basis, Terms};
use crate::cutoff::Bounds;
use crate::resolve::Policies;
use crate::rule::{Retention, Rule, Scope};
use crate::target::Period;

/// So many workspaces a census names, in so many bytes: the server reads 256 KiB of a statement.
const MOST_NAMED: usize = 1_000;
const MOST_NAMED_BYTES: usize = 128 << 10;

/// The id of the one partition of a table without a partition key.
pub(crate) const UNPARTITIONED: &str = "all";

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
    /// Expired rows that stay because another table refers to them.
    pub n_kept: u64,
    /// Whether it goes as a whole.
    pub goes_whole: bool,
    /// From when the rows are that will go.
    pub ages: Ages,
}

impl Partition {
    /// Whether all of its rows were counted as due, and are inside of an interval: then nobody's are not.
    pub(crate) fn is_all_due(&self, bounds: Bounds) -> bool {
        let ages = self.ages.oldest_ms.zip(self.ages.newest_ms);
        let is_inside =
            ages.is_some_and(|(oldest_ms, newest_ms)| bounds.covers(oldest_ms, newest_ms));
        self.n_due > 0 && self.n_due == self.n_rows && is_inside
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

/// The interval in which every row is expired, whoever's it is; or what is in the way. Nothing may be held
/// or paused, and a backfill has none: what one scope was asked for is nobody else's.
///
/// # Errors
/// The first obstacle, if there is no such interval.
pub fn for_everybody(terms: &Terms<'_>) -> Result<Bounds, Obstacle> {
    if terms.backfill.is_some() {
        return Err(Obstacle::Backfill);
    }
    if let Some(hold) = terms.guards.holds().first() {
        return Err(Obstacle::Hold(hold.id));
    }
    if let Some(pause) = terms.guards.pauses().first() {
        return Err(Obstacle::Pause(pause.clone()));
    }
    if terms.basis == Basis::Effective && terms.base.is_missing() {
        return Err(Obstacle::Unapproved);
    }
    let all_time = Bounds {
        below_ms: i64::MAX,
        from_ms: None,
    };
    stated(terms).try_fold(all_time, |common, policy| {
        let bounds = policy.bounds(terms).ok_or_else(|| policy.keeps(true))?;
        let is_past = bounds.from_ms.is_some();
        let common = common.intersect(bounds);
        common.ok_or_else(|| policy.keeps(is_past))
    })
}

/// The first policy that keeps rows of a span of time.
pub(crate) fn keeper(terms: &Terms<'_>, (from_ms, to_ms): (i64, i64)) -> Option<Obstacle> {
    stated(terms).find_map(|policy| {
        let Some(bounds) = policy.bounds(terms) else {
            return Some(policy.keeps(true));
        };
        let is_past = bounds.from_ms.is_some_and(|least| from_ms < least);
        (is_past || to_ms > bounds.below_ms).then(|| policy.keeps(is_past))
    })
}

/// The default, or a rule, of now or of the base.
struct Stated<'t> {
    rule: Option<&'t Rule>,
    retention: &'t Retention,
    /// That of the base, if it is of that.
    revision: Option<u64>,
}

/// What everybody's policies are made of: that of now, and what must agree with it.
fn stated<'t>(terms: &Terms<'t>) -> impl Iterator<Item = Stated<'t>> {
    let base = match (terms.basis, terms.base) {
        (
            Basis::Effective,
            Base::At {
                revision, policies, ..
            },
        ) => policies.zip(Some(revision)),
        _ => None,
    };
    let base = base.map(|(policies, revision)| (policies, Some(revision)));
    [(terms.policies, None)].into_iter().chain(base).flat_map(
        |(policies, revision): (&'t Policies<'t>, _)| {
            let default = Stated {
                rule: None,
                retention: policies.default_retention(),
                revision,
            };
            let of_rule = move |rule: &'t Rule| Stated {
                rule: Some(rule),
                retention: &rule.retention,
                revision,
            };
            [default]
                .into_iter()
                .chain(policies.rules().iter().map(of_rule))
        },
    )
}

impl Stated<'_> {
    fn bounds(&self, terms: &Terms<'_>) -> Option<Bounds> {
        let rule = self.rule.filter(|rule| !rule.apply_to_past);
        Bounds::new(
            terms.now,
            self.retention.days(),
            rule.map(|rule| rule.created_at),
        )
    }

    /// That it keeps rows, older ones than its rule or younger ones than its days.
    fn keeps(&self, is_past: bool) -> Obstacle {
        let days = self.retention.days();
        Obstacle::Policy(KeptBy {
            scope: self.rule.map(|rule| rule.scope.clone()),
            days,
            is_past: is_past && days.is_some(),
            revision: self.revision,
        })
    }
}

/// The instant from which on nothing can be expired, under whatever policy of now; nothing if no
/// policy expires anything.
pub fn highest_cutoff_ms(terms: &Terms<'_>) -> Option<i64> {
    let policies = terms.policies;
    let rules = policies.rules().iter();
    let of_rules = rules.filter_map(|rule| {
        let from = (!rule.apply_to_past).then_some(rule.created_at);
        Bounds::new(terms.now, rule.retention.days(), from)
    });
    let default = Bounds::new(terms.now, policies.default_retention().days(), None);
    let bounds = of_rules.chain(default);
    bounds.map(|bounds| bounds.below_ms).max()
}

/// Whose rows alone a policy of now may expire, if those are few enough to be named in a statement;
/// nothing if they may be anybody's.
pub(crate) fn finite_workspaces(terms: &Terms<'_>) -> Option<Vec<Arc<str>>> {
    if terms.policies.default_retention().days().is_some() {
        return None;
    }
    let mut named: BTreeSet<&Arc<str>> = BTreeSet::new();
    let mut n_bytes = 0;
    for rule in terms.policies.rules().iter() {
        if rule.retention.days().is_none() {
            continue;
        }
        let (Scope::Workspace(workspace) | Scope::Project { workspace, .. }) = &rule.scope else {
            return None;
        };
        if named.insert(workspace) {
            // Each letter may be written as four.
            n_bytes += 4 * workspace.len() + 4;
        }
        if named.len() > MOST_NAMED || n_bytes > MOST_NAMED_BYTES {
            return None;
        }
    }
    Some(named.into_iter().cloned().collect())
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
