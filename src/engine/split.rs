//! Counting when the rows of large arms are from, so that the plan can split them by time.
//!
//! Only arms with more rows than a step are looked at: by day, and more closely only where a day, an
//! hour, a minute has more rows than a step.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::{Engine, error_chain};
use crate::compile::{self, Times, Within};
use crate::plan::{Arm, Bucket, Histogram, Limits, pack};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, TimeRow, WarehouseError};

/// A day, an hour, a minute, a second, a millisecond.
const WIDTHS_MS: [i64; 5] = [86_400_000, 3_600_000, 60_000, 1_000, 1];

/// Where the stretches with too many rows begin that are looked at more closely, and how long they
/// are.
type Coarse<'a> = (i64, &'a [i64]);

impl Engine {
    /// When the rows of those arms are from that have more than go in one step. What cannot be
    /// counted is said, and is no reason to leave a table alone.
    pub(super) async fn histograms(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &[Arm],
        within: Within<'_>,
    ) -> Vec<Histogram> {
        let size = self.pacer.rows_per_step(shard, &target.table);
        let limit = self.limits.rows_per_step.min(size);
        let (projects, workspaces): (Vec<Arm>, Vec<Arm>) = arms
            .iter()
            .filter(|arm| arm.n_due > limit)
            .cloned()
            .partition(|arm| arm.project().is_some());
        let mut histograms = Vec::new();
        // A count reads so many rows in any case.
        let limits = Limits {
            rows_per_step: u64::MAX,
            ..self.limits
        };
        for arms in [workspaces, projects] {
            for arms in pack(arms, target, &limits).statements {
                let counted = self.by_time(shard, target, &arms, within, None).await;
                histograms.extend(match counted {
                    Ok(histograms) => histograms,
                    Err(error) => unknown(arms, &error),
                });
            }
        }
        for histogram in &mut histograms {
            let refined = self.refine(shard, target, histogram, within, limit).await;
            if let Err(error) = refined {
                histogram.buckets = Err(error_chain(&error).into());
            }
        }
        histograms
    }

    /// Looks more closely where too many rows are of one stretch.
    async fn refine(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        histogram: &mut Histogram,
        within: Within<'_>,
        limit: u64,
    ) -> Result<(), WarehouseError> {
        let unit_ms = target.age.kind.unit_ms();
        for width_ms in WIDTHS_MS.into_iter().filter(|width_ms| *width_ms > unit_ms) {
            let Ok(buckets) = &mut histogram.buckets else {
                break;
            };
            let coarse = too_large(buckets, limit);
            if coarse.is_empty() {
                break;
            }
            let arm = std::slice::from_ref(&histogram.arm);
            let finer = self.by_time(shard, target, arm, within, Some((width_ms, &coarse)));
            let finer = finer.await?;
            buckets.retain(|bucket| coarse.binary_search(&bucket.from_ms).is_err());
            buckets.extend(finer.into_iter().flat_map(|one| one.buckets).flatten());
        }
        Ok(())
    }

    /// Counts by day, or by the next shorter stretch inside of longer ones.
    async fn by_time(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &[Arm],
        within: Within<'_>,
        only: Option<Coarse<'_>>,
    ) -> Result<Vec<Histogram>, WarehouseError> {
        let shorter = |width_ms: i64| WIDTHS_MS.into_iter().find(|width| *width < width_ms);
        let [day_ms, ..] = WIDTHS_MS;
        let times = Times {
            width_ms: only
                .map_or(Some(day_ms), |(width_ms, _)| shorter(width_ms))
                .unwrap_or(1),
            only,
        };
        let none: Arc<str> = "".into();
        let mut counted: HashMap<(Arc<str>, Arc<str>), Vec<Bucket>> = HashMap::new();
        let sql = compile::histogram(target, arms, within, times);
        for row in shard.count_times(&sql).await? {
            let TimeRow {
                workspace,
                project,
                bucket,
            } = row;
            counted
                .entry((workspace, project))
                .or_default()
                .push(bucket);
        }
        let histogram = |arm: &Arm| {
            let project = arm.project().unwrap_or(&none);
            let key = (Arc::clone(&arm.workspace), Arc::clone(project));
            Histogram {
                arm: arm.clone(),
                buckets: Ok(counted.remove(&key).unwrap_or_default()),
            }
        };
        Ok(arms.iter().map(histogram).collect())
    }
}

/// Where the stretches with more rows than a step begin, in order.
fn too_large(buckets: &[Bucket], limit: u64) -> Vec<i64> {
    let mut rows: HashMap<i64, u64> = HashMap::new();
    for bucket in buckets {
        *rows.entry(bucket.from_ms).or_default() += bucket.n_due;
    }
    let large = rows.into_iter().filter(|(_, n_due)| *n_due > limit);
    let mut begins: Vec<i64> = large.map(|(from_ms, _)| from_ms).collect();
    begins.sort_unstable();
    begins
}

fn unknown(arms: Vec<Arm>, error: &WarehouseError) -> Vec<Histogram> {
    let reason: Arc<str> = error_chain(error).into();
    let histogram = |arm| Histogram {
        arm,
        buckets: Err(Arc::clone(&reason)),
    };
    arms.into_iter().map(histogram).collect()
}
