//! How much there may be of what was not counted.
//!
//! Invariant: never less than there is, and no more than either the census saw of it or the indexes say. The
//! census reaches up to the highest cutoff of anybody: what it saw of a workspace may be too young
//! for its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::{Counted, Place};
use crate::cutoff::Bounds;
use crate::engine::Engine;
use crate::plan::{Arm, CensusRow, Packed, Slice, Totals, Uncounted, pack};
use crate::warehouse::WarehouseError;

/// So many statements ask for an estimate; of more the census alone tells.
const MOST_ESTIMATES: usize = 64;

impl Engine {
    /// How much was not counted, if anything. Whole partitions have so many rows beside the arms.
    pub(in crate::engine) async fn left(
        &self,
        place: Place<'_>,
        counted: &Counted,
        totals: &Totals,
        n_whole: u64,
    ) -> Result<Option<Uncounted>, WarehouseError> {
        let census = &place.census.rows;
        let Some(left) = counted.seen(census, totals, n_whole) else {
            return Ok(None);
        };
        let mut n_left = MOST_ESTIMATES;
        let mut n_at_most = 0_u64;
        for (n_seen, arms) in by_interval(&counted.uncounted, census) {
            let Packed {
                statements,
                oversized,
            } = pack(arms, place.target, &self.limits);
            let mut n_rows = u64::MAX;
            if oversized.is_empty() && statements.len() <= n_left {
                n_left -= statements.len();
                n_rows = match self.estimate_all(place, statements).await {
                    Err(error) if error.is_out_of_limits() => n_rows,
                    estimated => estimated?,
                };
            }
            n_at_most = n_at_most.saturating_add(n_seen.min(n_rows));
        }
        Ok(Some(Uncounted {
            n_at_most: n_at_most.min(left.n_at_most),
            ..left
        }))
    }

    async fn estimate_all(
        &self,
        place: Place<'_>,
        statements: Vec<Vec<Arm>>,
    ) -> Result<u64, WarehouseError> {
        let mut n_rows = 0_u64;
        for arms in statements {
            n_rows = n_rows.saturating_add(self.estimate(place, &Slice::all(arms)).await?);
        }
        Ok(n_rows)
    }
}

/// Arms of the same interval together, with the rows that the census saw of their workspaces; those with
/// the most come first. Where each index begins with the time, those of several would be estimated
/// like the longest.
fn by_interval(arms: &[Arm], census: &[CensusRow]) -> Vec<(u64, Vec<Arm>)> {
    let mut seen: HashMap<&str, u64> = HashMap::with_capacity(census.len());
    for row in census {
        *seen.entry(&*row.workspace).or_default() += row.n_rows;
    }
    let mut of_interval: BTreeMap<Bounds, Vec<Arm>> = BTreeMap::new();
    for arm in arms {
        let of_bounds = of_interval.entry(arm.bounds).or_default();
        of_bounds.push(arm.clone());
    }
    let n_seen = |arms: &[Arm]| -> u64 {
        let whose: HashSet<&str> = arms.iter().map(|arm| &*arm.workspace).collect();
        let n_rows = whose.into_iter().filter_map(|name| seen.get(name));
        n_rows.sum()
    };
    let mut together: Vec<(u64, Vec<Arm>)> = of_interval
        .into_values()
        .map(|arms| (n_seen(&arms), arms))
        .collect();
    together.sort_by_key(|(n_rows, _)| Reverse(*n_rows));
    together
}

impl Counted {
    /// How much was not counted, if anything: no more than the census saw of it.
    fn seen(&self, census: &[CensusRow], totals: &Totals, n_whole: u64) -> Option<Uncounted> {
        let whose: HashSet<&str> = self.uncounted.iter().map(|arm| &*arm.workspace).collect();
        if whose.is_empty() {
            return None;
        }
        let n_due = |is_its: &dyn Fn(&str) -> bool| {
            let arms = self.arms.iter().filter(|arm| is_its(&arm.workspace));
            arms.map(|arm| arm.n_due).sum::<u64>()
        };
        let n_rows = |is_its: &dyn Fn(&str) -> bool| {
            let rows = census.iter().filter(|row| is_its(&row.workspace));
            rows.map(|row| row.n_rows).sum::<u64>()
        };
        let of_them = |workspace: &str| whose.contains(workspace);
        let of_all = |_: &str| true;
        let least = n_rows(&of_them).saturating_sub(n_due(&of_them));
        let n_of_all = n_rows(&of_all).min(totals.n_rows);
        let n_counted = n_due(&of_all).saturating_add(n_whole);
        Some(Uncounted {
            n_workspaces: u64::try_from(whose.len()).unwrap_or(u64::MAX),
            n_at_most: least.min(n_of_all.saturating_sub(n_counted)),
        })
    }
}
