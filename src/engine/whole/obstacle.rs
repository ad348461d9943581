//! Why partitions that could go as a whole do not: the first that is in their way, for people.

use super::{Whole, nearly_all};
use crate::engine::probe::LeftOut;
use crate::plan::{Obstacle, Partition, Terms, highest_cutoff_ms, keeper};
use crate::target::CheckedTarget;
use crate::warehouse::Partitions;

impl Whole {
    /// What is in the way of the first of the partitions that could go as a whole: by their key all of
    /// their rows are expired for somebody, or nearly all are due.
    pub(in crate::engine) fn in_the_way(
        &self,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        partitions: &Partitions,
    ) -> Option<Obstacle> {
        if !target.ways.is_partitioned {
            return None;
        }
        let span_ms = |partition: &Partition| target.ways.period?.span_ms(&partition.value);
        let cutoff_ms = highest_cutoff_ms(terms)?;
        let expired_ms = |partition| span_ms(partition).filter(|(_, to_ms)| *to_ms <= cutoff_ms);
        let rest = partitions.found.iter();
        let rest = rest.filter(|partition| !partition.goes_whole && partition.n_due > 0);
        rest.map(|partition| (partition, expired_ms(partition)))
            .filter(|(partition, span_ms)| span_ms.is_some() || nearly_all(partition))
            .find_map(|(partition, span_ms)| match &self.of_table {
                Some(obstacle) => Some(obstacle.clone()),
                None => self.of_partition(target, terms, partition, span_ms),
            })
    }

    fn of_partition(
        &self,
        target: &CheckedTarget,
        terms: &Terms<'_>,
        partition: &Partition,
        span_ms: Option<(i64, i64)>,
    ) -> Option<Obstacle> {
        let is_other = |(_, to_ms)| self.others_ms.is_some_and(|others_ms| to_ms > others_ms);
        let is_left = span_ms.map_or(self.has_others, is_other);
        let is_its = |(id, _): &&(_, _)| *id == partition.id;
        let strays = || {
            let (partition, n_rows) = self.strays.iter().find(is_its)?.clone();
            Some(Obstacle::Strays { partition, n_rows })
        };
        let undropped = || self.undropped.why(&partition.id).map(Obstacle::Undropped);
        let is_moved = target.ways.quarantine.is_some();
        let unmoved = || match span_ms {
            None => Some(Obstacle::UnknownKey),
            Some(_) => (partition.n_patches > 0).then_some(Obstacle::Patches),
        };
        let kept = span_ms.and_then(|span_ms| keeper(terms, span_ms));
        kept.or_else(|| is_left.then_some(Obstacle::Others))
            .or_else(undropped)
            .or_else(strays)
            .or_else(|| unmoved().filter(|_| is_moved))
    }
}

impl LeftOut {
    /// Whose rows stay, if anybody's do.
    pub(in crate::engine) fn obstacle(&self) -> Option<Obstacle> {
        let first = |found: &foldhash::HashSet<_>| found.iter().min().cloned();
        let alone = || first(&self.alone).map(Obstacle::LeftAlone);
        let unmatched = self.anybody.then_some(Obstacle::Unmatched);
        unmatched
            .or_else(alone)
            .or_else(|| first(&self.paused).map(Obstacle::PausedChildren))
            .or_else(|| first(&self.waiting).map(Obstacle::WaitingChildren))
    }
}
