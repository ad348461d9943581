//! Slices: what is too much to be counted at once, begun from its oldest end.
//!
//! Invariant: what a slice counts and what it leaves are the intervals of its arms, but for the time before
//! the oldest row.

use super::Arm;
use crate::cutoff::Bounds;

const DAY_MS: i64 = 86_400_000;
/// Nothing shorter is cut.
const SHORTEST_MS: i64 = 1_000;

/// Arms of one statement, and the instants between which they are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    arms: Vec<Arm>,
    /// No row is older; deleted ones may be, and they would be read.
    from_ms: Option<i64>,
    below_ms: i64,
}

impl Slice {
    /// All of some arms.
    pub(crate) fn all(arms: Vec<Arm>) -> Self {
        Self {
            arms,
            from_ms: None,
            below_ms: i64::MAX,
        }
    }

    /// What it counts.
    pub(crate) fn older(&self) -> Vec<Arm> {
        self.arms
            .iter()
            .filter_map(|arm| self.counted(arm))
            .collect()
    }

    /// What it leaves.
    pub(crate) fn younger(&self) -> Vec<Arm> {
        let from_ms = self.below_ms;
        let younger = self.arms.iter().map(|arm| arm.not_older_than(from_ms));
        younger.flatten().collect()
    }

    /// All of its arms, counted or not.
    pub(crate) fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The same.
    pub(crate) fn into_arms(self) -> Vec<Arm> {
        self.arms
    }

    /// Up to an instant that others were counted to, if that is earlier.
    #[must_use]
    pub(crate) fn up_to(self, below_ms: i64) -> Self {
        Self {
            below_ms: self.below_ms.min(below_ms),
            ..self
        }
    }

    /// Where it ends, if it leaves anything.
    pub(crate) fn end_ms(&self) -> Option<i64> {
        (!self.younger().is_empty()).then_some(self.below_ms)
    }

    /// What is left of it after a shorter one.
    pub(crate) fn after(&self, shorter: &Self) -> Self {
        Self {
            arms: shorter.younger(),
            from_ms: None,
            below_ms: self.below_ms,
        }
    }

    /// The same for the first half of what it counts, and for the second; nothing for a single arm.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let is_counted = |arm: &Arm| self.counted(arm).is_some();
        let (mut first, rest): (Vec<Arm>, Vec<Arm>) =
            self.arms.iter().cloned().partition(is_counted);
        if first.len() < 2 {
            return None;
        }
        let second = first.split_off(first.len() / 2);
        first.extend(rest);
        Some([first, second].map(|arms| Self { arms, ..*self }))
    }

    /// The same from the oldest row on that it can have; and if that is what it is, up to the middle
    /// between that row and its end. Nothing where that is too short a time to be cut. How old the
    /// oldest row of a workspace is, is asked.
    pub(crate) fn shorter(
        &self,
        oldest_ms: impl Fn(&str) -> Option<i64>,
        unit_ms: i64,
    ) -> Option<Self> {
        let counted = self.older();
        let unit_ms = unit_ms.max(SHORTEST_MS);
        let from_ms = begin_ms(&counted, oldest_ms, unit_ms)?;
        let shorter = Self {
            arms: self.arms.clone(),
            from_ms: Some(from_ms),
            below_ms: self.below_ms,
        };
        if self.from_ms.is_none() && shorter.older() != counted {
            return Some(shorter);
        }
        let below_ms = counted.iter().map(|arm| arm.bounds.below_ms).max()?;
        let half_ms = below_ms.saturating_sub(from_ms) / 2;
        let below_ms = end_ms(from_ms, half_ms, unit_ms).filter(|end_ms| *end_ms < below_ms)?;
        Some(Self {
            below_ms,
            ..shorter
        })
    }

    /// The same from the oldest row on, for so long a time if any is named; nothing where that is too
    /// short.
    pub(crate) fn first(
        &self,
        length_ms: Option<i64>,
        oldest_ms: impl Fn(&str) -> Option<i64>,
        unit_ms: i64,
    ) -> Option<Self> {
        let unit_ms = unit_ms.max(SHORTEST_MS);
        let from_ms = begin_ms(&self.older(), oldest_ms, unit_ms)?;
        let below_ms = match length_ms {
            Some(length_ms) => end_ms(from_ms, length_ms, unit_ms)?.min(self.below_ms),
            None => self.below_ms,
        };
        Some(Self {
            arms: self.arms.clone(),
            from_ms: Some(from_ms),
            below_ms,
        })
    }

    /// How long the time is that it was cut to, if it was.
    pub(crate) fn length_ms(&self) -> Option<i64> {
        let from_ms = self.from_ms.filter(|_| self.below_ms < i64::MAX)?;
        Some(self.below_ms.saturating_sub(from_ms))
    }

    fn counted(&self, arm: &Arm) -> Option<Arm> {
        let between = Bounds {
            below_ms: self.below_ms,
            from_ms: self.from_ms,
        };
        // No row is older than all time.
        (self.below_ms > i64::MIN)
            .then(|| arm.within(between))
            .flatten()
    }
}

/// No row of some arms is older. Whoever says how old the oldest is may have rounded that up; where an arm
/// begins is exact: before it there is nothing to be counted.
fn begin_ms(arms: &[Arm], oldest_ms: impl Fn(&str) -> Option<i64>, unit_ms: i64) -> Option<i64> {
    let begin_ms = |arm: &Arm| {
        let oldest_ms = oldest_ms(&arm.workspace);
        let oldest_ms = oldest_ms.map(|ms| ms.saturating_sub(1).div_euclid(unit_ms));
        let oldest_ms = oldest_ms.map(|units| units.saturating_mul(unit_ms));
        let begin_ms = oldest_ms.max(arm.bounds.from_ms);
        begin_ms.filter(|begin_ms| *begin_ms < arm.bounds.below_ms)
    };
    arms.iter().filter_map(begin_ms).min()
}

/// Where a stretch of about such a length ends: at the begin of a day, or of a shorter unit where it is
/// less than one.
fn end_ms(from_ms: i64, length_ms: i64, unit_ms: i64) -> Option<i64> {
    let align_ms = if length_ms >= DAY_MS { DAY_MS } else { unit_ms };
    let end_ms = from_ms.saturating_add(length_ms).div_euclid(align_ms);
    let end_ms = end_ms.saturating_mul(align_ms);
    (from_ms < end_ms).then_some(end_ms)
}

impl Arm {
    /// The part of it from an instant on, if there is one.
    fn not_older_than(&self, from_ms: i64) -> Option<Self> {
        let younger = Bounds {
            below_ms: i64::MAX,
            from_ms: Some(from_ms),
        };
        self.within(younger)
    }

    /// The part of it in an interval. How overdue its rows are does not change by that.
    fn within(&self, part: Bounds) -> Option<Self> {
        let bounds = self.bounds.intersect(part)?;
        if bounds == self.bounds {
            return Some(self.clone());
        }
        let mut part = Self {
            bounds,
            cut_from: Some(self.cut_from.unwrap_or(self.bounds)),
            ..self.clone()
        };
        part.forget_counts();
        Some(part)
    }
}

#[cfg(test)]
mod tests;
