//! The census of a table: which workspaces may have expired rows.
//!
//! Only rows below the highest cutoff that any policy has are read: indexes and partitions tell these
//! apart, and where the server says from them alone that there are none, nothing is read at all.
//!
//! What it sees below that cutoff it tells apart by part, with the ages of the oldest and the newest row:
//! where policies agree, that is what is due, and nothing is read again.
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

mod stretch;

use std::sync::Arc;

use jiff::Timestamp;

use self::stretch::Stretches;
use super::Engine;
use super::of_day::Of;
use super::survey::error_chain;
use super::whole::Seen;
use crate::compile::{self, About, Apart};
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
        // What is looked at as of another day is nothing that is known of today.
        let is_today = utc_day(terms.now) == utc_day(terms.made_at);
        let of = Of::new(shard, target, terms.made_at);
        let known = self.totals.with(of, |totals| *totals).filter(|_| is_today);
        let looking = Looking::new(shard, target, terms);
        if known.is_none() && terms.with_totals {
            let whole = self.whole_census(&looking).await?;
            let totals = whole.as_ref().map(|census| Totals::of(&census.rows));
            if is_today {
                let totals = Some(totals.unwrap_or_default());
                self.totals.with(of, |known| *known = totals);
            }
            if let (Some(census), Some(totals)) = (whole, totals) {
                return Ok((census, totals));
            }
        }
        let census = match looking.cutoff_ms {
            Some(below_ms) => self.older(&looking, terms, below_ms).await?,
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
        looking: &Looking<'_>,
        terms: &Terms<'_>,
        below_ms: i64,
    ) -> Result<Census, WarehouseError> {
        let Looking { shard, target, .. } = *looking;
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
        if shard.estimate(&looking.sql(Some(about), None)).await? == 0 {
            return Ok(Census::default());
        }
        match self.census_of(looking, Some(about)).await {
            Err(error) if error.is_out_of_limits() => {
                let stretches = Stretches {
                    looking,
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

    /// A census in one look. Where that is not too much, it tells parts apart, or partitions at least.
    async fn census_of(
        &self,
        looking: &Looking<'_>,
        about: Option<About<'_>>,
    ) -> Result<Census, WarehouseError> {
        let Looking { shard, target, .. } = *looking;
        let of = Of::new(shard, target, looking.made_at);
        let mut grain = self.grains.with(of, |grain| *grain);
        while let Some((below_ms, apart)) = looking.cutoff_ms.zip(grain.apart()) {
            let sql = looking.sql(about, Some((below_ms, apart)));
            match self.census_apart(looking, &sql).await {
                // Fewer groups take hardly less time.
                Err(WarehouseError::Timeout { .. }) => grain = Grain::Workspaces,
                Err(error) if error.is_out_of_limits() => grain = grain.coarser(),
                Err(error) => return Err(error),
                Ok(census) => {
                    self.grains.with(of, |known| *known = grain);
                    return Ok(Census {
                        apart_ms: Some(below_ms),
                        ..census
                    });
                }
            }
        }
        let census = shard.census(&looking.sql(about, None)).await?;
        // Rows were not too many, so groups were.
        self.grains.with(of, |known| *known = grain);
        Ok(census)
    }

    /// A census that tells parts or partitions apart; what it saw in parts is remembered.
    async fn census_apart(
        &self,
        looking: &Looking<'_>,
        sql: &str,
    ) -> Result<Census, WarehouseError> {
        let Looking { shard, target, .. } = *looking;
        let before = shard.definition(&target.table).await?;
        let (census, parts) = shard.census_apart(sql).await?;
        let after = shard.definition(&target.table).await?;
        let of = Of::new(shard, target, looking.made_at);
        self.seen.with(of, |seen| {
            // Of what is not there any more nobody needs to know.
            *seen = Seen::default();
            seen.add(&before, &after, parts);
        });
        Ok(census)
    }

    /// A census of all rows; nothing if it would read too much.
    async fn whole_census(&self, looking: &Looking<'_>) -> Result<Option<Census>, WarehouseError> {
        match self.census_of(looking, None).await {
            Err(error) if error.is_out_of_limits() => {
                tracing::warn!(
                    shard = looking.shard.name(),
                    table = &*looking.target.table,
                    error = error_chain(&error),
                    "the table was not counted whole: rows without an age and rows of the future are \
                     unknown today; deletes go on"
                );
                Ok(None)
            }
            census => census.map(Some),
        }
    }
}

/// What a census tells apart, beside workspaces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Grain {
    #[default]
    Parts,
    Partitions,
    Workspaces,
}

impl Grain {
    fn apart(self) -> Option<Apart> {
        match self {
            Self::Parts => Some(Apart::Parts),
            Self::Partitions => Some(Apart::Partitions),
            Self::Workspaces => None,
        }
    }

    fn coarser(self) -> Self {
        match self {
            Self::Parts => Self::Partitions,
            Self::Partitions | Self::Workspaces => Self::Workspaces,
        }
    }
}

/// What a census is made for.
struct Looking<'a> {
    shard: &'a Shard,
    target: &'a CheckedTarget,
    made_at: Timestamp,
    /// Rows dated later are of the future.
    future_ms: i64,
    /// No policy of now expires anything from here on.
    cutoff_ms: Option<i64>,
}

impl<'a> Looking<'a> {
    fn new(shard: &'a Shard, target: &'a CheckedTarget, terms: &Terms<'_>) -> Self {
        let now_ms = terms.now.as_millisecond();
        Self {
            shard,
            target,
            made_at: terms.made_at,
            future_ms: now_ms.saturating_add(FUTURE_TOLERANCE_MS),
            cutoff_ms: highest_cutoff_ms(terms),
        }
    }

    fn sql(&self, about: Option<About<'_>>, apart: Option<(i64, Apart)>) -> String {
        compile::census(self.target, self.future_ms, about, apart)
    }
}
