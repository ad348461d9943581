//! Counting when the rows of large arms are from, so that the plan can split them by time.
//!
//! Only arms with more rows than a step are looked at: by day, and more closely only where a day, an
//! hour, a minute has more rows than a step. Of one that cannot be counted by time only as many of its
//! oldest rows go as are one step: by halves of its time, until a count says so.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::count::{Counted, Place};
use super::halve::{Halves, Patience};
use super::of_day::Of;
use super::tally::Tally;
use super::{Engine, error_chain};
use crate::compile::{self, Times, Within};
use crate::plan::{Arm, Bucket, DueRow, Histogram, Limits, Slice, pack};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, TimeRow, WarehouseError};

/// A day, an hour, a minute, a second, a millisecond.
const WIDTHS_MS: [i64; 5] = [86_400_000, 3_600_000, 60_000, 1_000, 1];

/// Where the stretches with too many rows begin that are looked at more closely, and how long they
/// are.
type Coarse<'a> = (i64, &'a [i64]);

/// The oldest rows of an arm.
struct OldestStep {
    piece: Arm,
    rows: Vec<(usize, DueRow)>,
    /// The others.
    rest: Vec<Arm>,
}

impl Engine {
    /// When the rows of those arms are from that have more than go in one step. An arm of which that
    /// cannot be counted becomes its oldest rows.
    ///
    /// # Errors
    /// Where not even those can be counted, for another reason than that they are too many.
    pub(super) async fn histograms(
        &self,
        place: Place<'_>,
        counted: &mut Counted,
        patience: &mut Patience,
        tally: &mut Tally,
    ) -> Result<Vec<Histogram>, WarehouseError> {
        let Place { shard, target, .. } = place;
        let of = Of::new(shard, target, self.clock.now());
        let size = self.pacer.rows_per_step(shard, &target.table);
        let limit = self.limits.rows_per_step.min(size);
        let (projects, workspaces): (Vec<Arm>, Vec<Arm>) = counted
            .arms
            .iter()
            .filter(|arm| arm.n_due > limit)
            .cloned()
            .partition(|arm| arm.project().is_some());
        let mut histograms = Vec::new();
        let mut unsplit = Vec::new();
        // A count reads so many rows in any case.
        let limits = Limits {
            rows_per_step: u64::MAX,
            ..self.limits
        };
        for arms in [workspaces, projects] {
            let statements = pack(arms, target, &limits).statements.into_iter();
            let groups = statements.flat_map(|arms| self.looks.groups(of, arms));
            let mut halves = Halves::of(groups.map(|group| group.arms));
            while let Some(some) = halves.next() {
                let counted = self.by_time(shard, target, &some.items, place.within, None);
                match counted.await {
                    Ok(found) => {
                        if some.is_half {
                            self.looks.together(of, &some.items);
                        }
                        histograms.extend(found);
                    }
                    Err(error) => {
                        let failed = halves.halve(some, &error, patience);
                        let arms = failed.err().map(|some| some.items).unwrap_or_default();
                        unsplit.extend(arms.into_iter().map(|arm| (arm, error_chain(&error))));
                    }
                }
            }
        }
        let mut refined = Vec::new();
        for mut histogram in histograms {
            match self.refine(place, &mut histogram, limit).await {
                Ok(()) => refined.push(histogram),
                Err(error) => unsplit.push((histogram.arm, error_chain(&error))),
            }
        }
        for (arm, reason) in unsplit {
            let table = &*target.table;
            tracing::warn!(
                table,
                reason,
                "only the oldest rows go: they cannot be counted by time"
            );
            let shortened = self.shorten(place, (&arm, limit), counted, patience, tally);
            shortened.await?;
        }
        Ok(refined)
    }

    /// Makes of an arm with more rows than go in one step its oldest rows, as many as do.
    async fn shorten(
        &self,
        place: Place<'_>,
        (whole, limit): (&Arm, u64),
        counted: &mut Counted,
        patience: &mut Patience,
        tally: &mut Tally,
    ) -> Result<(), WarehouseError> {
        let Some(at) = counted.arms.iter().position(|arm| arm == whole) else {
            return Ok(());
        };
        tally.forget(whole, at);
        let found = self.oldest_step(place, whole, limit, patience).await?;
        let Some(arm) = counted.arms.get_mut(at) else {
            return Ok(());
        };
        let Some(found) = found else {
            arm.forget_counts();
            if patience.is_over() {
                counted.uncounted.push(whole.clone());
                return Ok(());
            }
            let reason = "its oldest rows are more than one step, and cannot be counted by time";
            counted.unknown.push((whole.clone(), reason.into()));
            return Ok(());
        };
        *arm = found.piece;
        for (_, row) in &found.rows {
            tally.add(row, arm, at);
        }
        counted.uncounted.extend(found.rest);
        Ok(())
    }

    /// The oldest rows of an arm that go in one step; nothing if those are of so short a time that there is
    /// no part of it, or if patience ends before.
    async fn oldest_step(
        &self,
        place: Place<'_>,
        whole: &Arm,
        limit: u64,
        patience: &mut Patience,
    ) -> Result<Option<OldestStep>, WarehouseError> {
        let Place {
            shard,
            target,
            within,
            oldest,
            ..
        } = place;
        let unit_ms = target.age.kind.unit_ms();
        let oldest_ms = |workspace: &str| oldest.ms(workspace);
        let mut slice = Slice::all(vec![whole.clone()]);
        while let Some(shorter) = slice.shorter(oldest_ms, unit_ms) {
            let older = shorter.older();
            let rows = match self.due_rows(shard, target, &older, within).await {
                Err(error) if error.is_out_of_limits() => {
                    patience.pay(&error);
                    if patience.is_over() {
                        return Ok(None);
                    }
                    slice = shorter;
                    continue;
                }
                rows => rows?,
            };
            let n_due: u64 = rows.iter().map(|(_, row)| row.n_due).sum();
            if n_due == 0 {
                slice = slice.after(&shorter);
            } else if n_due > limit {
                slice = shorter;
            } else {
                let rest = shorter.younger();
                let piece = older.into_iter().next();
                return Ok(piece.map(|piece| OldestStep { piece, rows, rest }));
            }
        }
        Ok(None)
    }

    /// Looks more closely where too many rows are of one stretch.
    async fn refine(
        &self,
        place: Place<'_>,
        histogram: &mut Histogram,
        limit: u64,
    ) -> Result<(), WarehouseError> {
        let Place {
            shard,
            target,
            within,
            ..
        } = place;
        let unit_ms = target.age.kind.unit_ms();
        for width_ms in WIDTHS_MS.into_iter().filter(|width_ms| *width_ms > unit_ms) {
            let buckets = &mut histogram.buckets;
            let coarse = too_large(buckets, limit);
            if coarse.is_empty() {
                break;
            }
            let arm = std::slice::from_ref(&histogram.arm);
            let finer = self.by_time(shard, target, arm, within, Some((width_ms, &coarse)));
            let finer = finer.await?;
            buckets.retain(|bucket| coarse.binary_search(&bucket.from_ms).is_err());
            buckets.extend(finer.into_iter().flat_map(|one| one.buckets));
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
                buckets: counted.remove(&key).unwrap_or_default(),
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
