//! What comes next: a decision from the time of day, what is done, and what failed.
//!
//! Invariant: pure. The same view gives the same answer, whichever instance asks.

use jiff::Timestamp;

use super::attempts::Attempts;
use crate::slot::{N_PLACES, SlotRange, due_places, slot_at, slot_start};

/// What the decision is made from.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The time.
    pub(super) now: Timestamp,
    /// How many slots the day has.
    pub(super) n_slots: u32,
    /// The places of today that are done; in order, apart, and joined where they touch.
    pub(super) done: &'a [SlotRange],
    /// The places of yesterday that were done. What it lacked is due from midnight, and comes first:
    /// or else whoever is down every evening would never do the end of the day.
    pub(super) yesterday: &'a [SlotRange],
    /// What is done, and looked at again when nothing else is due.
    pub(super) again: &'a [SlotRange],
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
    /// These places are done, and rows of them may have come free since.
    Again {
        /// The places: those of many slots at once.
        range: SlotRange,
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
    let mut open = open(view);
    // What used up its budget comes after the others, in turns.
    open.sort_by_key(|range| view.attempts.turn(*range));
    let n_due = open.len();
    let slots = open.into_iter().map(|range| Next::Slot { range, n_due });
    let again = view.again.iter().map(|range| Next::Again { range: *range });
    let mut earliest: Option<Timestamp> = None;
    for next in slots.chain(again) {
        let (Next::Slot { range, .. } | Next::Again { range }) = next else {
            continue;
        };
        match view.attempts.retry_at(range).filter(|at| *at > view.now) {
            None => return next,
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
    let places = |range: &SlotRange| range.n_places();
    let n_done: u64 = view.done.iter().map(places).sum();
    let is_done = |slot: &u32| {
        let slot = SlotRange::of_slot(*slot, view.n_slots);
        let covered = |done: &SlotRange| common(slot, *done) == slot;
        view.done.iter().any(covered)
    };
    let n_slots_done = (0..view.n_slots).filter(is_done).count();
    Day {
        n_due: slot_at(view.now, view.n_slots) + 1,
        n_done: u32::try_from(n_slots_done).unwrap_or(u32::MAX),
        done_permille: u32::try_from(n_done * 1_000 / N_PLACES).unwrap_or(1_000),
        next_slot_at: next_slot_at(view.now, view.n_slots),
    }
}

/// When the first place of a range was due, on the day of `now`.
pub(super) fn due_at(range: SlotRange, now: Timestamp, n_slots: u32) -> Timestamp {
    let is_its = |slot: &u32| SlotRange::of_slot(*slot, n_slots).to > range.from;
    let slot = (0..n_slots).find(is_its).unwrap_or(0);
    slot_start(now, slot, n_slots)
}

/// What is due and not done, cut where slots begin: what yesterday lacked, and then the rest in the
/// order of the day.
fn open(view: &View<'_>) -> Vec<SlotRange> {
    let owed = owed(view.yesterday);
    let settled = [view.done, &owed].concat();
    owed.iter()
        .flat_map(|gap| gap.without(view.done))
        .chain(due_places(view.now, view.n_slots, &settled))
        .flat_map(|due| {
            (0..view.n_slots).map(move |slot| common(SlotRange::of_slot(slot, view.n_slots), due))
        })
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// What a day lacked, if anything was done in it. It goes on where the longest range ended: of days
/// that all are too short, each one takes up where the one before it left off.
fn owed(done: &[SlotRange]) -> Vec<SlotRange> {
    let Some(longest) = done.iter().max_by_key(|range| range.n_places()) else {
        return Vec::new();
    };
    let gaps = SlotRange::ALL.without(done);
    let (before, after): (Vec<SlotRange>, Vec<SlotRange>) =
        gaps.into_iter().partition(|gap| gap.from < longest.to);
    [after, before].concat()
}

fn common(one: SlotRange, other: SlotRange) -> SlotRange {
    SlotRange {
        from: one.from.max(other.from),
        to: one.to.min(other.to),
    }
}

fn next_slot_at(now: Timestamp, n_slots: u32) -> Timestamp {
    slot_start(now, slot_at(now, n_slots) + 1, n_slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    fn check(time: &str, n_slots: u32, done: &[SlotRange]) -> Next {
        decide(&View {
            now: at(time),
            n_slots,
            done,
            yesterday: &[],
            again: &[],
            attempts: &Attempts::default(),
        })
    }

    const MIN: std::time::Duration = std::time::Duration::from_mins(1);

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
        assert_eq!(
            check("11:59:59", 4, &two),
            Next::Idle {
                until: at("12:00:00")
            }
        );
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
            to: SlotRange::of_slot(0, 3).to,
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
                    let overlaps = |other: &&SlotRange| !common(range, **other).is_empty();
                    assert_eq!(done.iter().find(overlaps), None, "{numbers:?}");
                    done.push(range);
                }
            }
            let n_done: u64 = done.iter().map(|range| range.n_places()).sum();
            assert_eq!(n_done, N_PLACES, "{numbers:?}");
        }
    }

    /// What a day does that is cut off after so many pieces.
    fn cut_off(time: &str, n_slots: u32, yesterday: &[SlotRange], at_most: u32) -> Vec<SlotRange> {
        let mut done: Vec<SlotRange> = Vec::new();
        for _ in 0..at_most {
            let next = decide(&View {
                now: at(time),
                n_slots,
                done: &done,
                yesterday,
                again: &[],
                attempts: &Attempts::default(),
            });
            let Next::Slot { range, .. } = next else {
                break;
            };
            let overlaps = |other: &SlotRange| !common(range, *other).is_empty();
            assert!(!done.iter().any(overlaps), "{range:?} twice in {done:?}");
            done.push(range);
        }
        done
    }

    #[test]
    fn what_yesterday_lacked_is_due_at_midnight_and_comes_first_and_only_once() {
        let yesterday = [quarter(0), quarter(2)];
        let morning = cut_off("00:00:00", 4, &yesterday, 9);
        assert_eq!(morning, [quarter(3), quarter(1), quarter(0)]);
        assert_eq!(cut_off("23:00:00", 4, &yesterday, 9).len(), 4);
        assert_eq!(cut_off("00:00:00", 4, &[SlotRange::ALL], 9), [quarter(0)]);
        assert_eq!(cut_off("00:00:00", 4, &[], 9), [quarter(0)]);
    }

    proptest! {
        #[test]
        fn of_days_that_are_cut_off_nobody_is_left_out(
            n_slots in 1_u32..300, share in 1_u32..=300, hour in 0_u32..24,
        ) {
            let at_most = share.min(n_slots);
            let mut day = cut_off(&format!("{hour:02}:59:00"), n_slots, &[], at_most);
            let mut ever = day.clone();
            // The first day may have been short as well by the hour at which it was cut off.
            for _ in 0..n_slots.div_ceil(at_most) {
                day = cut_off("00:00:00", n_slots, &day, at_most);
                ever.extend(&day);
            }
            prop_assert_eq!(SlotRange::ALL.without(&ever), []);
        }
    }

    #[test]
    fn what_failed_waits_while_others_go_on() {
        let mut attempts = Attempts::default();
        attempts.failed(quarter(0), at("12:00:00"), MIN * 5, "no".into());
        let view = |now, done| {
            decide(&View {
                now: at(now),
                n_slots: 4,
                done,
                yesterday: &[],
                again: &[],
                attempts: &attempts,
            })
        };
        let slot = |index, n_due| Next::Slot {
            range: quarter(index),
            n_due,
        };
        assert_eq!(view("12:00:00", &[]), slot(1, 3));
        let others = [quarter(1), quarter(2)];
        assert_eq!(
            view("12:04:59", &others),
            Next::Retry { at: at("12:05:00") }
        );
        assert_eq!(view("12:05:00", &others), slot(0, 1));
        // It never keeps the next slot from coming.
        attempts.failed(quarter(0), at("12:00:00"), MIN * 660, "no".into());
        let next = decide(&View {
            now: at("12:06:00"),
            n_slots: 4,
            done: &others,
            yesterday: &[],
            again: &[],
            attempts: &attempts,
        });
        assert_eq!(next, Next::Retry { at: at("18:00:00") });
    }

    #[test]
    fn slots_that_used_up_their_budget_go_on_in_turns_after_the_others() {
        let mut attempts = Attempts::default();
        let mut done: Vec<SlotRange> = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..7 {
            let next = decide(&View {
                now: at("12:00:00"),
                n_slots: 4,
                done: &done,
                yesterday: &[],
                again: &[],
                attempts: &attempts,
            });
            let Next::Slot { range, .. } = next else {
                panic!("{next:?}")
            };
            seen.push(range);
            if range == quarter(2) {
                done.push(range);
                attempts.ended(range);
            } else {
                attempts.deferred(range);
            }
        }
        assert_eq!(seen, [0, 1, 2, 0, 1, 0, 1].map(quarter));
    }

    #[test]
    fn what_is_looked_at_again_comes_after_what_is_due_and_waits_where_it_failed() {
        let mut attempts = Attempts::default();
        let view = |attempts: &Attempts, time, done: &[SlotRange]| {
            decide(&View {
                now: at(time),
                n_slots: 4,
                done,
                yesterday: &[],
                again: &[quarter(0)],
                attempts,
            })
        };
        let done = [quarter(0), quarter(1)];
        let slot = Next::Slot {
            range: quarter(1),
            n_due: 1,
        };
        let again = Next::Again { range: quarter(0) };
        assert_eq!(view(&attempts, "06:00:00", &done[..1]), slot);
        assert_eq!(view(&attempts, "06:00:00", &done), again);
        // A slot that fails keeps nothing else from being done.
        attempts.failed(quarter(1), at("06:00:00"), MIN * 5, "no".into());
        assert_eq!(view(&attempts, "06:01:00", &done[..1]), again);
        attempts.failed(quarter(0), at("06:00:00"), MIN * 2, "no".into());
        let until = at("06:02:00");
        assert_eq!(
            view(&attempts, "06:01:00", &done),
            Next::Retry { at: until }
        );
        assert_eq!(view(&attempts, "06:02:00", &done), again);
    }

    #[test]
    fn the_day_is_counted_in_slots_and_thousandths() {
        let done = [quarter(0), quarter(3)];
        let attempts = Attempts::default();
        let day = day(&View {
            now: at("12:00:00"),
            n_slots: 4,
            done: &done,
            yesterday: &[],
            again: &[],
            attempts: &attempts,
        });
        assert_eq!((day.n_due, day.n_done, day.done_permille), (3, 2, 500));
        assert_eq!(day.next_slot_at, at("18:00:00"));
        assert_eq!(due_at(quarter(3), at("01:00:00"), 4), at("18:00:00"));
    }
}
