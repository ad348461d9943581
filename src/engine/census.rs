//! The census of a table: all of it once a UTC day, and from then on only what may be expired.
//!
//! A full census reads the age of every row. That is the dearest part of a cycle in which nothing is
//! due, and most of what it counts changes little within a day. So the totals of the day are
//! remembered, and later looks read only rows below the highest cutoff that any policy has: indexes
//! and partitions tell these apart, and often there are none.
//!
//! The rows of the table are counted anew whenever something may be due. The share of a table that
//! a plan may take is measured by them, and the server's own figure counts masked rows too: that
//! would let a plan take more.

use std::sync::Mutex;

use foldhash::{HashMap, HashMapExt};

use super::Engine;
use crate::compile;
use crate::cutoff::utc_day;
use crate::plan::{CensusRow, Terms, Totals, highest_cutoff_ms};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

/// Rows dated more than a day ahead count as future; less is clock skew.
const FUTURE_TOLERANCE_MS: i64 = 86_400_000;

/// The totals of tables, by shard and table, as of a UTC day.
pub(super) struct KnownTotals(Mutex<HashMap<(String, String), (String, Totals)>>);

impl KnownTotals {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn of(&self, shard: &Shard, table: &str, day: &str) -> Option<Totals> {
        let known = self.0.lock().ok()?;
        let (known_day, totals) = known.get(&(shard.name().into(), table.into()))?;
        (known_day == day).then_some(*totals)
    }

    fn remember(&self, shard: &Shard, table: &str, day: String, totals: Totals) {
        if let Ok(mut known) = self.0.lock() {
            known.insert((shard.name().into(), table.into()), (day, totals));
        }
    }
}

impl Engine {
    /// The workspaces that may have expired rows in a table, and its totals.
    pub(super) async fn census(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
    ) -> Result<(Vec<CensusRow>, Totals), WarehouseError> {
        let now_ms = terms.now.as_millisecond();
        let future_ms = now_ms.saturating_add(FUTURE_TOLERANCE_MS);
        let day = utc_day(terms.now);
        let Some(known) = self.totals.of(shard, &target.table, &day) else {
            let sql = compile::census(target, future_ms, None);
            let census = shard.census(&sql).await?;
            let totals = Totals::of(&census);
            if day == utc_day(terms.made_at) {
                self.totals.remember(shard, &target.table, day, totals);
            }
            return Ok((census, totals));
        };
        let Some(below_ms) = highest_cutoff_ms(terms) else {
            return Ok((Vec::new(), known));
        };
        let sql = compile::census(target, future_ms, Some(below_ms));
        if shard.estimate(&sql).await? == 0 {
            return Ok((Vec::new(), known));
        }
        let census = shard.census(&sql).await?;
        let totals = if census.is_empty() {
            known
        } else {
            Totals {
                n_rows: shard.count_rows(&compile::count(target)).await?,
                ..known
            }
        };
        Ok((census, totals))
    }
}
