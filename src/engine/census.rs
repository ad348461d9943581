//! The census of a table: which workspaces may have expired rows.
//!
//! Only rows below the highest cutoff that any policy has are read: indexes and partitions tell these
//! apart, and where the server says from them alone that there are none, nothing is read at all.
//!
//! What it sees below that cutoff it tells apart by partition, with the ages of the oldest and the newest
//! row: where policies agree, that is what is due, and nothing is read again.
//!
//! A census of the whole table tells more: how many workspaces it has, rows without an age, and rows of
//! the future. No delete depends on that, and it reads the age of every row. So it is made for
//! plans that people look at and for the metrics of a sidecar, once a UTC day at most; where it would read
//! more than a probe may, these totals are unknown, and deletes go on.
//!
//! Where even that is more than a probe may read, it is made of stretches of time.
//!
//! The rows of the table are counted anew whenever something may be due. The share of a table that
//! a plan may take is measured by them, and the server's own figure counts masked rows too: that
//! would let a plan take more. So parts with a mask are opened, and only these; where that would be too
//! much, their rows do not count, and a plan may take less.

mod of_day;
mod stretch;

use std::sync::Arc;

pub(super) use self::of_day::OfDay;
use self::stretch::Stretches;
use super::Engine;
use super::survey::error_chain;
use crate::compile::{self, About};
use crate::cutoff::{Bounds, utc_day};
use crate::plan::{Census, Terms, Totals, finite_workspaces, highest_cutoff_ms};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

/// Rows dated more than a day ahead count as future; less is clock skew.
const FUTURE_TOLERANCE_MS: i64 = 86_400_000;

impl Engine {
    /// The workspaces that may have expired rows in a table, and its totals.
    pub(super) async fn census(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
    ) -> Result<(Census, Totals), WarehouseError> {
        let day = utc_day(terms.now);
        let known = self.totals.of(shard, &target.table, &day);
        let whole = match known {
            None if terms.with_totals => self.whole_census(shard, target, terms, day).await?,
            _ => None,
        };
        if let Some(census) = whole {
            let totals = Totals::of(&census.rows);
            return Ok((census, totals));
        }
        let census = match highest_cutoff_ms(terms) {
            Some(below_ms) => self.older(shard, target, terms, below_ms).await?,
            None => Census::default(),
        };
        let known = known.unwrap_or_default();
        let n_rows = if census.rows.is_empty() && known.n_workspaces.is_some() {
            known.n_rows
        } else {
            self.count_rows(shard, target).await?
        };
        Ok((census, Totals { n_rows, ..known }))
    }

    /// The rows of a table, or fewer where those of parts with a mask cannot be counted.
    async fn count_rows(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
    ) -> Result<u64, WarehouseError> {
        let (n_rows, left_out) = shard.count_rows(&target.table).await?;
        if let Some(error) = left_out {
            tracing::warn!(
                shard = shard.name(),
                table = &*target.table,
                n_rows,
                error = error_chain(&error),
                "rows of parts with deleted rows could not be counted: a plan may take less of the \
                 table than max_share_of_table says; a higher clickhouse.probe_timeout counts them"
            );
        }
        Ok(n_rows)
    }

    /// A census of what is older than an instant.
    async fn older(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        below_ms: i64,
    ) -> Result<Census, WarehouseError> {
        let future_ms = future_ms(terms);
        let older = Bounds {
            below_ms,
            from_ms: None,
        };
        // Where the default is unlimited nobody else's rows can be due.
        let named = finite_workspaces(terms).unwrap_or_default();
        let spelled = named
            .iter()
            .filter_map(|name| target.workspace.kind.spelling(name));
        let workspaces: Vec<Arc<str>> = spelled.map(Arc::from).collect();
        let about = About {
            bounds: older,
            workspaces: &workspaces,
        };
        let sql = compile::census(target, future_ms, Some(about), None);
        if shard.estimate(&sql).await? == 0 {
            return Ok(Census::default());
        }
        match self.census_of(shard, target, terms, Some(about)).await {
            Err(error) if error.is_out_of_limits() => {
                let stretches = Stretches {
                    shard,
                    target,
                    future_ms,
                    workspaces: &workspaces,
                };
                let rows = stretches.census(older, error).await?;
                Ok(Census {
                    rows,
                    ..Census::default()
                })
            }
            census => census,
        }
    }

    /// A census in one look. Where that is not too much, it tells partitions apart.
    async fn census_of(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        about: Option<About<'_>>,
    ) -> Result<Census, WarehouseError> {
        let sql = |apart_ms| compile::census(target, future_ms(terms), about, apart_ms);
        let day = utc_day(terms.now);
        let apart_ms = highest_cutoff_ms(terms);
        if apart_ms.is_some() && self.coarse.of(shard, &target.table, &day).is_none() {
            match shard.census_apart(&sql(apart_ms)).await {
                Err(error) if error.is_out_of_limits() => {
                    let plain = shard.census(&sql(None)).await?;
                    // Rows were not too many, so partitions are.
                    self.coarse.remember(shard, &target.table, day, ());
                    return Ok(plain);
                }
                Err(error) => return Err(error),
                Ok(census) => return Ok(Census { apart_ms, ..census }),
            }
        }
        shard.census(&sql(None)).await
    }

    /// A census of all rows, and its totals remembered for the day; nothing if it would read too much.
    async fn whole_census(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        day: String,
    ) -> Result<Option<Census>, WarehouseError> {
        let census = match self.census_of(shard, target, terms, None).await {
            Ok(census) => Some(census),
            Err(error) if error.is_out_of_limits() => {
                tracing::warn!(
                    shard = shard.name(),
                    table = &*target.table,
                    error = error_chain(&error),
                    "the table was not counted whole: rows without an age and rows of the future are \
                     unknown today; deletes go on"
                );
                None
            }
            Err(error) => return Err(error),
        };
        if day == utc_day(terms.made_at) {
            let totals = census.as_ref().map(|census| Totals::of(&census.rows));
            let totals = totals.unwrap_or_default();
            self.totals.remember(shard, &target.table, day, totals);
        }
        Ok(census)
    }
}

/// Rows dated later are of the future.
fn future_ms(terms: &Terms<'_>) -> i64 {
    terms
        .now
        .as_millisecond()
        .saturating_add(FUTURE_TOLERANCE_MS)
}
