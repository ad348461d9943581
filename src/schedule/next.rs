//! What comes next: a decision from the time of day, what is done, and what failed.
//!
//! Invariant: pure. The same view gives the same answer, whichever instance asks.

use std::time::Duration;

use jiff::Timestamp;

use super::attempts::Attempts;
use crate::slot::{N_PLACES, SlotRange};

const DAY_MS: u64 = 86_400_000;

/// What the decision is made from.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The time.
    pub(super) now: Timestamp,
    /// How many slots the day has.
    pub(super) n_slots: u32,
    /// The places of today that are done.
    pub(super) done: &'a [SlotRange],
    /// What failed before.
    pub(super) attempts: &'a Attempts,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// This range is due and nobody has done it.
    Slot {
        /// The places: one slot, or what is left of it.
        range: SlotRange,
        /// How many pieces are due and not done, this one included.
        n_due: usize,
    },
    /// What is due has failed, and is tried again later.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// Nothing is due.
    Idle {
        /// When the next slot is.
        until: Timestamp,
    },
}

/// The day as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    /// Slots that are due by now.
    pub(super) n_due: u32,
    /// Slots that are done as a whole.
    pub(super) n_done: u32,
    /// The share of all places that is done, in thousandths.
    pub(super) done_permille: u32,
    /// When the next slot is due.
    pub(super) next_slot_at: Timestamp,
}

pub(super) fn decide(view: &View<'_>) -> Next {
    let open = open(view);
    let mut earliest: Option<Timestamp> = None;
    for range in &open {
        match view.attempts.retry_at(*range).filter(|at| *at > view.now) {
            None => {
                return Next::Slot {
                    range: *range,
                    n_due: open.len(),
                };
            }
            Some(at) => earliest = Some(earliest.map_or(at, |earliest| earliest.min(at))),
        }
    }
    let until = next_slot_at(view.now, view.n_slots);
    match earliest {
        Some(at) if at < until => Next::Retry { at },
        Some(_) => Next::Retry { at: until },
        None => Next::Idle { until },
    }
}

/// The day as it stands.
pub(super) fn day(view: &View<'_>) -> Day {
    let current = current_slot(view.now, view.n_slots);
    let n_done = (0..view.n_slots)
        .filter(|slot| gaps(slot_range(*slot, view.n_slots), view.done).is_empty())
        .count();
    let left: u64 = gaps(SlotRange::ALL, view.done)
        .iter()
        .map(|gap| gap.to - gap.from)
        .sum();
    Day {
        n_due: current + 1,
        n_done: u32::try_from(n_done).unwrap_or(u32::MAX),
        done_permille: u32::try_from((N_PLACES - left) * 1_000 / N_PLACES).unwrap_or(1_000),
        next_slot_at: next_slot_at(view.now, view.n_slots),
    }
}

/// How long a slot is.
pub(super) fn width(n_slots: u32) -> Duration {
    Duration::from_millis(DAY_MS / u64::from(n_slots.max(1)))
}

/// When a slot of a range was due, on the day of `now`.
pub(super) fn due_at(range: SlotRange, now: Timestamp) -> Timestamp {
    let ms = u128::from(range.from) * u128::from(DAY_MS) / u128::from(N_PLACES);
    after_midnight(now, u64::try_from(ms).unwrap_or(0))
}

/// What is due and not done, cut where slots begin, in the order of the day.
fn open(view: &View<'_>) -> Vec<SlotRange> {
    (0..=current_slot(view.now, view.n_slots))
        .flat_map(|slot| gaps(slot_range(slot, view.n_slots), view.done))
        .collect()
}

fn slot_range(slot: u32, n_slots: u32) -> SlotRange {
    let bound = |slot: u64| slot * N_PLACES / u64::from(n_slots.max(1));
    SlotRange {
        from: bound(slot.into()),
        to: bound(u64::from(slot) + 1),
    }
}

/// What of a range is in none of the others.
fn gaps(range: SlotRange, others: &[SlotRange]) -> Vec<SlotRange> {
    let mut left = vec![range];
    for other in others {
        left = left
            .into_iter()
            .flat_map(|piece| {
                let before = SlotRange {
                    from: piece.from,
                    to: piece.to.min(other.from),
                };
                let after = SlotRange {
                    from: piece.from.max(other.to),
                    to: piece.to,
                };
                [before, after]
            })
            .filter(|piece| piece.from < piece.to)
            .collect();
    }
    left
}

fn ms_of_day(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or(0) % DAY_MS
}

fn current_slot(now: Timestamp, n_slots: u32) -> u32 {
    let n_slots = n_slots.max(1);
    let slot = ms_of_day(now) * u64::from(n_slots) / DAY_MS;
    u32::try_from(slot).unwrap_or(0).min(n_slots - 1)
}

fn next_slot_at(now: Timestamp, n_slots: u32) -> Timestamp {
    let n_slots = u64::from(n_slots.max(1));
    let next = u64::from(current_slot(now, u32::try_from(n_slots).unwrap_or(1))) + 1;
    after_midnight(now, (next * DAY_MS).div_ceil(n_slots))
}

/// An instant of the day of `now`, or of the days after.
fn after_midnight(now: Timestamp, ms: u64) -> Timestamp {
    let midnight = now.as_millisecond() - i64::try_from(ms_of_day(now)).unwrap_or(0);
    let at = midnight.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    fn check(time: &str, n_slots: u32, done: &[SlotRange]) -> Next {
        decide(&View {
            now: at(time),
            n_slots,
            done,
            attempts: &Attempts::default(),
        })
    }

    fn quarter(index: u64) -> SlotRange {
        SlotRange {
            from: index * N_PLACES / 4,
            to: (index + 1) * N_PLACES / 4,
        }
    }

    #[test]
    fn slots_come_in_the_order_of_the_day_and_the_last_one_due_is_the_current() {
        let slot = |index, n_due| Next::Slot {
            range: quarter(index),
            n_due,
        };
        assert_eq!(check("00:00:00", 4, &[]), slot(0, 1));
        assert_eq!(check("11:59:59.999", 4, &[]), slot(0, 2));
        assert_eq!(check("12:00:00", 4, &[quarter(0)]), slot(1, 2));
        let two = [quarter(1), quarter(0)];
        assert_eq!(check("11:59:59", 4, &two), Next::Idle { until: at("12:00:00") });
        let all = [SlotRange::ALL];
        let midnight = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(check("23:59:59", 4, &all), Next::Idle { until: midnight });
    }

    #[test]
    fn after_a_change_of_their_number_what_is_left_is_cut_anew() {
        // A quarter is done; with three slots, the rest of the first third is due first.
        let next = check("12:00:00", 3, &[quarter(0)]);
        let range = SlotRange {
            from: N_PLACES / 4,
            to: N_PLACES / 3,
        };
        assert_eq!(next, Next::Slot { range, n_due: 2 });
    }

    #[test]
    fn the_day_ends_with_every_place_done_once_whatever_the_numbers_were() {
        for numbers in [[1, 1, 1], [7, 48, 5], [1_440, 1, 11], [2, 3, 1_000]] {
            let mut done: Vec<SlotRange> = Vec::new();
            for (hour, n_slots) in [8, 13, 23].into_iter().zip(numbers) {
                let time = format!("{hour:02}:59:59.999");
                while let Next::Slot { range, .. } = check(&time, n_slots, &done) {
                    let overlaps = |other: &&SlotRange| range.from < other.to && other.from < range.to;
                    assert_eq!(done.iter().find(overlaps), None, "{numbers:?}");
                    done.push(range);
                }
            }
            assert_eq!(gaps(SlotRange::ALL, &done), [], "{numbers:?}");
        }
    }

    #[test]
    fn what_failed_waits_while_others_go_on() {
        let mut attempts = Attempts::default();
        attempts.failed(quarter(0), at("12:05:00"), "no".into());
        let view = |now, done| {
            decide(&View {
                now: at(now),
                n_slots: 4,
                done,
                attempts: &attempts,
            })
        };
        let slot = |index, n_due| Next::Slot {
            range: quarter(index),
            n_due,
        };
        assert_eq!(view("12:00:00", &[]), slot(1, 3));
        let others = [quarter(1), quarter(2)];
        assert_eq!(view("12:04:59", &others), Next::Retry { at: at("12:05:00") });
        assert_eq!(view("12:05:00", &others), slot(0, 1));
        // It never keeps the next slot from coming.
        attempts.failed(quarter(0), at("23:00:00"), "no".into());
        let next = decide(&View {
            now: at("12:06:00"),
            n_slots: 4,
            done: &others,
            attempts: &attempts,
        });
        assert_eq!(next, Next::Retry { at: at("18:00:00") });
    }

    #[test]
    fn the_day_is_counted_in_slots_and_thousandths() {
        let done = [quarter(0), quarter(3)];
        let attempts = Attempts::default();
        let day = day(&View {
            now: at("12:00:00"),
            n_slots: 4,
            done: &done,
            attempts: &attempts,
        });
        assert_eq!((day.n_due, day.n_done, day.done_permille), (3, 2, 500));
        assert_eq!(day.next_slot_at, at("18:00:00"));
        assert_eq!(due_at(quarter(3), at("01:00:00")), at("18:00:00"));
    }
}
