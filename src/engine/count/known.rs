//! What looks at a table taught since a UTC day began: which arms were counted together and how far, and
//! which could not be counted at all. The next plan begins with that.
//!
//! Invariant: it says where to begin and what not to try again, and nothing of what is due. An arm
//! that could not be counted stays, and is said to, for an hour at least or until this process ends: limits
//! of a new configuration come with a new engine.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use jiff::{SignedDuration, Timestamp};

use crate::cutoff::Bounds;
use crate::engine::of_day::{Of, OfDay};
use crate::plan::{Arm, Slice};

/// What was too much once may be so for a busy server alone.
const NOT_AGAIN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What is known of each table.
pub(in crate::engine) struct KnownLooks(OfDay<Today>);

/// What is known of one table.
#[derive(Default)]
struct Today {
    n_groups: u32,
    of_arms: HashMap<Key, Known>,
    /// How much time several arms can be counted of that are no less work apart: anybody's rows are as much.
    length_ms: Option<i64>,
}

/// Whose rows, and the whole interval in which they are expired.
type Key = (Arc<str>, Option<Arc<str>>, Bounds);

#[derive(Clone)]
enum Known {
    /// Counted with the others of a group, and as far, or to be tried so.
    Look { group: u32, length_ms: Option<i64> },
    /// Not even the least of it could be counted: why, and until when it is not tried again.
    Unknown { why: Arc<str>, until: Timestamp },
}

/// Arms that are looked at together.
pub(in crate::engine) struct Group<A> {
    pub(in crate::engine) arms: Vec<A>,
    /// Whether looks at them were too much today.
    pub(super) is_known: bool,
    /// The time to begin with, if that is less than all.
    pub(super) length_ms: Option<i64>,
}

impl KnownLooks {
    pub(in crate::engine) fn new() -> Self {
        Self(OfDay::new())
    }

    /// Takes the arms out that could not be counted lately, with the reasons.
    pub(super) fn take_unknown(&self, of: Of<'_>, arms: &mut Vec<Arm>) -> Vec<(Arm, String)> {
        self.0.with(of, |today| {
            let reason = |arm: &Arm| match today.of_arms.get(&key(arm)) {
                Some(Known::Unknown { why, until }) if of.now < *until => {
                    Some(format!("{why} (tried again at {until:.0})"))
                }
                _ => None,
            };
            let is_unknown = |arm: &mut Arm| reason(arm).is_some();
            let taken: Vec<Arm> = arms.extract_if(.., is_unknown).collect();
            let said = |arm: Arm| reason(&arm).map(|reason| (arm, reason));
            taken.into_iter().filter_map(said).collect()
        })
    }

    /// Arms in the groups that can be looked at together.
    pub(in crate::engine) fn groups<A: Borrow<Arm>>(
        &self,
        of: Of<'_>,
        arms: Vec<A>,
    ) -> Vec<Group<A>> {
        self.0.with(of, |today| {
            let mut groups: BTreeMap<(Option<u32>, Option<i64>), Vec<A>> = BTreeMap::new();
            for arm in arms {
                let begin = match today.of_arms.get(&key(arm.borrow())) {
                    Some(Known::Look { group, length_ms }) => (Some(*group), *length_ms),
                    _ => (None, today.length_ms),
                };
                groups.entry(begin).or_default().push(arm);
            }
            let group = |((group, length_ms), arms): ((Option<u32>, _), _)| Group {
                is_known: group.is_some(),
                length_ms,
                arms,
            };
            groups.into_iter().map(group).collect()
        })
    }

    /// Remembers how a slice was counted: just so where more was too much, and for twice the time where
    /// it was begun so. What was never too much needs no note.
    pub(super) fn counted(&self, of: Of<'_>, slice: &Slice, was_too_much: bool) {
        let length_ms = slice.length_ms();
        if was_too_much {
            self.begin_with(of, slice.arms(), length_ms);
        } else if length_ms.is_some() {
            let twice_ms = length_ms.map(|length_ms| length_ms.saturating_mul(2));
            self.begin_with(of, slice.arms(), twice_ms);
        }
    }

    /// Remembers that arms are to be looked at together, and for how long a time.
    pub(super) fn begin_with(&self, of: Of<'_>, arms: &[Arm], length_ms: Option<i64>) {
        self.0.with(of, |today| {
            let group = today.next_group();
            for arm in arms {
                let look = Known::Look { group, length_ms };
                today.of_arms.insert(key(arm), look);
            }
            if arms.len() > 1 {
                today.length_ms = length_ms.or(today.length_ms);
            }
        });
    }

    /// Remembers that arms were looked at together, for whatever time.
    pub(in crate::engine) fn together<A: Borrow<Arm>>(&self, of: Of<'_>, arms: &[A]) {
        self.0.with(of, |today| {
            let group = today.next_group();
            for arm in arms {
                let key = key(arm.borrow());
                let length_ms = match today.of_arms.get(&key) {
                    Some(Known::Look { length_ms, .. }) => *length_ms,
                    _ => None,
                };
                today.of_arms.insert(key, Known::Look { group, length_ms });
            }
        });
    }

    /// Remembers that not even the least of an arm could be counted.
    pub(super) fn unknown(&self, of: Of<'_>, arm: &Arm, reason: &str) {
        let unknown = Known::Unknown {
            why: reason.into(),
            until: of.now + NOT_AGAIN_FOR,
        };
        self.0
            .with(of, |today| today.of_arms.insert(key(arm), unknown));
    }
}

impl Today {
    fn next_group(&mut self) -> u32 {
        self.n_groups = self.n_groups.wrapping_add(1);
        self.n_groups
    }
}

/// A piece of an arm is known as the arm is.
fn key(arm: &Arm) -> Key {
    let whole = arm.cut_from.unwrap_or(arm.bounds);
    (Arc::clone(&arm.workspace), arm.project().cloned(), whole)
}

#[cfg(test)]
mod tests;
