//! Slots: a share of the workspaces, due at a time of day.
//!
//! A workspace has a place in a circle of 2^32 places, by a stable hash of its name. A day is cut
//! into slots of equal width; slot `i` of `n` covers the places from `i/n` to `(i+1)/n`, and is due at
//! that share of the UTC day. What is done is remembered as ranges of places, not as numbers of slots:
//! so the number of slots may change at noon, and nobody is lost or done twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The number of places.
pub const N_PLACES: u64 = 1 << 32;

const DAY_MS: i64 = 86_400_000;
/// A slot for every minute.
const MOST_SLOTS: u64 = 1_440;
/// What a statement costs on each part of its table, whether the part has matching rows or not.
const MS_PER_PART: u64 = 100;
/// All slots of a day may keep the server busy for a tenth of it.
const BUSY_MS_PER_DAY: u64 = 8_640_000;

/// A range of places: from the first, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotRange {
    /// The first place.
    pub from: u64,
    /// The place after the last.
    pub to: u64,
}

impl SlotRange {
    /// All places.
    pub const ALL: Self = Self {
        from: 0,
        to: N_PLACES,
    };

    /// Slot `number`, from 0, of a day with so many.
    pub fn of_slot(number: u32, per_day: u32) -> Self {
        Self {
            from: boundary(number, per_day),
            to: boundary(number.saturating_add(1), per_day),
        }
    }

    /// Whether it has no place.
    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The number of places.
    pub fn n_places(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// What is left of it without some others; in order and apart.
    pub(crate) fn without(self, others: &[Self]) -> Vec<Self> {
        let mut others: Vec<Self> = others.to_vec();
        others.retain(|range| !range.is_empty());
        others.sort_unstable();
        let mut left = Vec::new();
        let mut from = self.from;
        for range in others {
            let gap = Self {
                from,
                to: range.from.min(self.to),
            };
            left.extend((!gap.is_empty()).then_some(gap));
            from = from.max(range.to);
        }
        let rest = Self { from, to: self.to };
        left.extend((!rest.is_empty()).then_some(rest));
        left
    }

    /// Whether a workspace has its place here.
    pub fn contains(self, workspace: &str) -> bool {
        (self.from..self.to).contains(&place(workspace))
    }
}

/// The place of a workspace: the first four bytes of the SHA-256 of its name. Any text has one, and
/// they are spread evenly whatever names look like.
///
/// ```
/// assert_eq!(ebbtide::place("w1"), ebbtide::place("w1"));
/// assert!(ebbtide::place("w1") < ebbtide::N_PLACES);
/// ```
pub fn place(workspace: &str) -> u64 {
    let digest = Sha256::digest(workspace.as_bytes());
    digest
        .iter()
        .take(4)
        .fold(0, |place, byte| (place << 8) | u64::from(*byte))
}

/// The number of the slot that an instant lies in, from 0.
pub fn slot_at(now: Timestamp, per_day: u32) -> u32 {
    let ms = u64::try_from(now.as_millisecond().rem_euclid(DAY_MS)).unwrap_or(0);
    let number = ms * u64::from(per_day.max(1)) / DAY_MS.unsigned_abs();
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// When a slot of the day of an instant is due.
pub fn slot_start(day: Timestamp, number: u32, per_day: u32) -> Timestamp {
    let midnight = day.as_millisecond().div_euclid(DAY_MS) * DAY_MS;
    // Rounded up: at that instant the slot is the current one.
    let ms =
        (i64::from(number) * DAY_MS + i64::from(per_day.max(1)) - 1) / i64::from(per_day.max(1));
    Timestamp::from_millisecond(midnight.saturating_add(ms)).unwrap_or(Timestamp::MAX)
}

/// The places that are due at an instant and were not done today: those of all slots up to the
/// current one, without the ranges that are done. In order and apart.
///
/// ```
/// use ebbtide::{SlotRange, due_places};
/// let noon = "2026-11-21T12:00:00Z".parse()?;
/// let first = SlotRange::of_slot(0, 4);
/// let due = due_places(noon, 4, &[first]);
/// assert_eq!(due, [SlotRange { from: first.to, to: SlotRange::of_slot(2, 4).to }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn due_places(now: Timestamp, per_day: u32, done: &[SlotRange]) -> Vec<SlotRange> {
    let until = SlotRange::of_slot(slot_at(now, per_day), per_day).to;
    SlotRange { from: 0, to: until }.without(done)
}

/// What to do next: the first of [`due_places`], up to the end of its slot.
pub fn next_due(now: Timestamp, per_day: u32, done: &[SlotRange]) -> Option<SlotRange> {
    let gap = due_places(now, per_day, done).into_iter().next()?;
    let per_day = per_day.max(1);
    let number = u32::try_from(gap.from * u64::from(per_day) / N_PLACES).unwrap_or(u32::MAX);
    // Rounding may have put the place into the slot before its own.
    let ends = [number, number.saturating_add(1)].map(|slot| SlotRange::of_slot(slot, per_day).to);
    let end = ends.into_iter().find(|end| *end > gap.from);
    Some(SlotRange {
        from: gap.from,
        to: gap.to.min(end.unwrap_or(N_PLACES)),
    })
}

/// The number of slots for `auto`: as few as possible, so that one statement for each table serves
/// a slot, but no more than the cost of a mutation allows. A statement touches every part of its
/// table, at about 0.1 s each; all slots of a day together may keep the server busy for a tenth of
/// it. `n_parts` are the active parts of each table of one shard.
///
/// ```
/// use ebbtide::slots_per_day;
/// assert_eq!(slots_per_day(800, &[50, 50], 1_000), 1);
/// assert_eq!(slots_per_day(100_000, &[50, 50], 1_000), 100);
/// assert_eq!(slots_per_day(100_000, &[3_000, 600], 1_000), 24, "each costs six minutes");
/// ```
pub fn slots_per_day(n_workspaces: u64, n_parts: &[u64], workspaces_per_statement: usize) -> u32 {
    let per_statement = u64::try_from(workspaces_per_statement.max(1)).unwrap_or(u64::MAX);
    let wanted = n_workspaces.div_ceil(per_statement);
    let slot_ms = n_parts
        .iter()
        .fold(0_u64, |sum, parts| sum.saturating_add(*parts))
        .saturating_mul(MS_PER_PART);
    let affordable = BUSY_MS_PER_DAY / slot_ms.max(1);
    u32::try_from(wanted.min(affordable).clamp(1, MOST_SLOTS)).unwrap_or(1)
}

/// The first place of a slot.
fn boundary(number: u32, per_day: u32) -> u64 {
    let per_day = u64::from(per_day.max(1));
    u64::from(number).min(per_day) * N_PLACES / per_day
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_219_200_000 + ms).unwrap()
    }

    #[test]
    fn places_are_spread_evenly_whatever_names_look_like() {
        let mut counts = [0_u32; 16];
        for number in 0..16_000 {
            let place = place(&format!("018f3a5c-0000-7000-8000-{number:012}"));
            counts[usize::try_from(place >> 28).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
        // Part of the format: what is done is remembered by place.
        assert_eq!(place("w1"), 0x60c5_590f);
    }

    #[test]
    fn the_number_of_slots_is_bounded_by_what_they_cost() {
        assert_eq!(slots_per_day(0, &[], 1_000), 1);
        assert_eq!(slots_per_day(1_001, &[], 1_000), 2);
        assert_eq!(slots_per_day(u64::MAX, &[], 1), 1_440);
        assert_eq!(slots_per_day(u64::MAX, &[u64::MAX, 1], 0), 1);
    }

    proptest! {
        #[test]
        fn the_slots_of_a_day_cover_every_place_once(per_day in 1_u32..=1_440) {
            let mut from = 0;
            for number in 0..per_day {
                let slot = SlotRange::of_slot(number, per_day);
                prop_assert_eq!(slot.from, from);
                prop_assert!(!slot.is_empty());
                from = slot.to;
            }
            prop_assert_eq!(from, N_PLACES);
        }

        #[test]
        fn a_slot_begins_when_it_is_the_current_one(per_day in 1_u32..=1_440, number: prop::sample::Index) {
            let number = u32::try_from(number.index(per_day.try_into().unwrap())).unwrap();
            let start = slot_start(at_ms(12_345), number, per_day);
            prop_assert_eq!(slot_at(start, per_day), number);
            if number > 0 {
                let before = start - jiff::SignedDuration::from_millis(1);
                prop_assert_eq!(slot_at(before, per_day), number - 1);
            }
        }

        /// A day with any number of slots, which changes at any time, and with outages.
        #[test]
        fn a_day_does_everybody_once_whatever_changes(
            looks in prop::collection::vec((0_i64..DAY_MS, 1_u32..=1_440, 1_u32..2_000), 0..12),
        ) {
            let mut looks = looks;
            looks.sort_unstable();
            // At the end of the day somebody looks for as long as it takes.
            looks.push((DAY_MS - 1, 7, u32::MAX));
            let mut done: Vec<SlotRange> = Vec::new();
            for (ms, per_day, at_most) in looks {
                for _ in 0..at_most {
                    let Some(next) = next_due(at_ms(ms), per_day, &done) else { break };
                    prop_assert!(!next.is_empty());
                    prop_assert!(next.to <= SlotRange::of_slot(slot_at(at_ms(ms), per_day), per_day).to);
                    let overlaps = |range: &SlotRange| range.from < next.to && next.from < range.to;
                    prop_assert!(!done.iter().any(overlaps), "done twice");
                    done.push(next);
                }
            }
            let n_done: u64 = done.iter().map(|range| range.n_places()).sum();
            prop_assert_eq!(n_done, N_PLACES, "nobody is lost");
        }
    }
}
