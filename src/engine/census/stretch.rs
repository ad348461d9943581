//! A census that is too much for one look: made of stretches of time, each within the limits of a probe.
//!
//! That works where index or partitions tell rows of one time from those of another; elsewhere every
//! stretch reads the whole table, and the census is unknown. Ranges of workspaces would read less where the
//! primary key begins with them, but where to cut is what a census finds out: only the values in the
//! primary index could tell it before.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::Looking;
use crate::compile::About;
use crate::cutoff::Bounds;
use crate::plan::CensusRow;
use crate::warehouse::WarehouseError;

/// So many looks may be made.
const MOST_LOOKS: u32 = 64;
/// Nothing shorter is cut.
const SHORTEST_MS: i64 = 3_600_000;

/// Where a census is made.
pub(super) struct Stretches<'a> {
    pub(super) looking: &'a Looking<'a>,
    /// Whose rows; anybody's if nobody is named.
    pub(super) workspaces: &'a [Arc<str>],
}

impl Stretches<'_> {
    /// The census of an interval that was too much at once.
    pub(super) async fn census(
        &self,
        whole: Bounds,
        mut error: WarehouseError,
    ) -> Result<Vec<CensusRow>, WarehouseError> {
        let mut sum: HashMap<(Arc<str>, bool), CensusRow> = HashMap::new();
        let Some(mut left) = self.halves(whole).await? else {
            return Err(error);
        };
        for _ in 0..MOST_LOOKS {
            let Some(stretch) = left.pop() else {
                return Ok(sum.into_values().collect());
            };
            error = match self.looking.shard.census(&self.sql(stretch)).await {
                Ok(rows) => {
                    for row in rows.rows {
                        add(&mut sum, row);
                    }
                    continue;
                }
                Err(error) if error.is_out_of_limits() => error,
                Err(error) => return Err(error),
            };
            match self.halves(stretch).await? {
                Some(halves) => left.extend(halves),
                None => return Err(error),
            }
        }
        Err(error)
    }

    /// Two stretches that read less each than one does, and about as much as each other; nothing if there
    /// are none.
    async fn halves(&self, stretch: Bounds) -> Result<Option<Vec<Bounds>>, WarehouseError> {
        let up_to = |below_ms| Bounds {
            below_ms,
            ..stretch
        };
        let n_rows = self.estimate(stretch).await?;
        let mut least_ms = stretch.from_ms.unwrap_or(0);
        let mut most_ms = stretch.below_ms;
        while most_ms.saturating_sub(least_ms) > SHORTEST_MS {
            let middle_ms = least_ms + (most_ms - least_ms) / 2;
            if self.estimate(up_to(middle_ms)).await? <= n_rows / 2 {
                least_ms = middle_ms;
            } else {
                most_ms = middle_ms;
            }
        }
        // Where one granule or partition takes it past the half, it is of the second.
        let middle_ms = if least_ms > stretch.from_ms.unwrap_or(0) {
            least_ms
        } else {
            most_ms
        };
        if middle_ms >= stretch.below_ms {
            return Ok(None);
        }
        let first = up_to(middle_ms);
        let second = Bounds {
            from_ms: Some(middle_ms),
            ..stretch
        };
        let n_most = n_rows - n_rows / 8;
        let is_less =
            self.estimate(first).await? <= n_most && self.estimate(second).await? <= n_most;
        Ok(is_less.then(|| vec![second, first]))
    }

    async fn estimate(&self, stretch: Bounds) -> Result<u64, WarehouseError> {
        self.looking.shard.estimate(&self.sql(stretch)).await
    }

    fn sql(&self, stretch: Bounds) -> String {
        let about = About {
            bounds: stretch,
            workspaces: self.workspaces,
        };
        self.looking.sql(Some(about), None)
    }
}

/// Adds what one stretch has of a workspace.
fn add(sum: &mut HashMap<(Arc<str>, bool), CensusRow>, row: CensusRow) {
    let key = (Arc::clone(&row.workspace), row.is_readable);
    let Some(all) = sum.get_mut(&key) else {
        sum.insert(key, row);
        return;
    };
    all.n_rows += row.n_rows;
    all.n_undatable += row.n_undatable;
    all.n_future += row.n_future;
    all.oldest_ms = all.oldest_ms.into_iter().chain(row.oldest_ms).min();
}
