//! What failed or was left incomplete, and when it is tried again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;

use crate::guard::PauseScope;
use crate::ledger::PauseRecord;
use crate::slot::SlotRange;

/// The first delay; each one after it is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay of a slot, before chance is added.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// How long after a failure it is tried again at the earliest where somebody changed something: it may
/// be mended. Whoever changes something every second must not make failed slots run all the time.
const MENDED_AFTER: Duration = Duration::from_secs(30);

/// Ranges of places whose cycle failed, or left out what was paused.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: Vec<Attempt>,
    put_off: Vec<(SlotRange, Vec<PauseScope>)>,
    /// The one that waits longest comes first.
    deferred: Vec<SlotRange>,
}

#[derive(Debug)]
struct Attempt {
    range: SlotRange,
    n_failed: usize,
    failed_at: Timestamp,
    retry_at: Timestamp,
    reason: String,
}

pub(super) fn overlap(one: SlotRange, other: SlotRange) -> bool {
    one.from < other.to && other.from < one.to
}

impl Attempts {
    /// How often places of a range failed in a row.
    pub(super) fn n_failed(&self, range: SlotRange) -> usize {
        self.of(range)
            .map(|attempt| attempt.n_failed)
            .max()
            .unwrap_or(0)
    }

    /// When a range may be tried again; nothing if it never failed.
    pub(super) fn retry_at(&self, range: SlotRange) -> Option<Timestamp> {
        self.of(range).map(|attempt| attempt.retry_at).max()
    }

    /// Why a range that is to be tried again failed, for people.
    pub(super) fn reason(&self) -> Option<&str> {
        let soonest = self.failed.iter().min_by_key(|attempt| attempt.retry_at)?;
        Some(&soonest.reason)
    }

    /// It is tried again after so long.
    pub(super) fn failed(
        &mut self,
        range: SlotRange,
        now: Timestamp,
        wait: Duration,
        reason: String,
    ) {
        let n_failed = self.n_failed(range) + 1;
        self.ended(range);
        self.failed.push(Attempt {
            range,
            n_failed,
            failed_at: now,
            retry_at: now + wait,
            reason,
        });
    }

    /// It used up its budget, and goes on after whatever else is due.
    pub(super) fn deferred(&mut self, range: SlotRange) {
        self.ended(range);
        self.deferred.push(range);
    }

    /// How many that used up their budget go on before a range; nothing if it did not.
    pub(super) fn turn(&self, range: SlotRange) -> Option<usize> {
        self.deferred
            .iter()
            .rposition(|other| overlap(*other, range))
    }

    /// Forgets what is known of a range: it is done.
    pub(super) fn ended(&mut self, range: SlotRange) {
        self.deferred.retain(|other| !overlap(*other, range));
        self.failed.retain(|attempt| !overlap(attempt.range, range));
        self.put_off.retain(|(other, _)| !overlap(*other, range));
    }

    /// All of a range is done but what these pauses left out.
    pub(super) fn put_off(&mut self, range: SlotRange, pauses: Vec<PauseScope>) {
        self.ended(range);
        self.put_off.push((range, pauses));
    }

    /// The ranges that wait for one of their pauses to end.
    pub(super) fn waiting(&self, pauses: &[PauseRecord]) -> Vec<SlotRange> {
        let in_force =
            |scope: &PauseScope| pauses.iter().any(|record| record.pause.scope == *scope);
        let waiting = self.put_off.iter();
        let waiting = waiting.filter(|(_, scopes)| scopes.iter().all(in_force));
        waiting.map(|(range, _)| *range).collect()
    }

    /// A day begins: everything is due anew.
    pub(super) fn begin_day(&mut self) {
        *self = Self::default();
    }

    /// Somebody may have mended something.
    pub(super) fn hasten(&mut self) {
        for attempt in &mut self.failed {
            attempt.retry_at = hastened(attempt.failed_at, attempt.retry_at);
        }
    }

    fn of(&self, range: SlotRange) -> impl Iterator<Item = &Attempt> {
        self.failed
            .iter()
            .filter(move |attempt| overlap(attempt.range, range))
    }
}

/// When what failed is tried again where somebody may have mended something; how often it failed is
/// not forgotten.
pub(super) fn hastened(failed_at: Timestamp, retry_at: Timestamp) -> Timestamp {
    retry_at.min(failed_at + MENDED_AFTER)
}

/// How long to wait after so many failures in a row: longer each time, up to a bound and as much
/// again by chance, so that no two instances are alike.
pub(super) fn delay(n_failed: usize, longest: Duration) -> Duration {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(FIRST)
        .with_max_delay(longest)
        .without_max_times()
        .build()
        .nth(n_failed.saturating_sub(1).min(16))
        .unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_differ() {
        for (n_failed, least) in [(1, 1), (2, 2), (4, 8), (9, 256), (10, 300), (1_000, 300)] {
            let delay = delay(n_failed, LONGEST);
            let least = Duration::from_secs(least);
            assert!(
                delay >= least && delay <= 2 * least,
                "{n_failed}: {delay:?}"
            );
        }
        let delays: Vec<Duration> = (0..10).map(|_| delay(5, LONGEST)).collect();
        assert!(delays.iter().any(|other| *other != delays[0]), "{delays:?}");
    }

    #[test]
    fn however_often_something_changes_what_failed_is_not_tried_all_the_time() {
        let mut attempts = Attempts::default();
        let range = SlotRange { from: 0, to: 1 };
        let began: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let mut n_tries = 0;
        for second in 0..600 {
            let now = began + Duration::from_secs(second);
            if attempts.retry_at(range).is_none_or(|at| at <= now) {
                n_tries += 1;
                let wait = delay(attempts.n_failed(range) + 1, LONGEST);
                attempts.failed(range, now, wait, "no".into());
            }
            attempts.hasten();
        }
        // Every half minute, and some more at the beginning.
        assert!((20..=25).contains(&n_tries), "{n_tries}");
        assert!(attempts.n_failed(range) >= 20);
    }

    #[test]
    fn a_range_cut_anew_remembers_what_failed_in_it() {
        let mut attempts = Attempts::default();
        let range = |from, to| SlotRange { from, to };
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let wait = Duration::from_mins(1);
        attempts.failed(range(0, 100), at, wait, "first".into());
        attempts.failed(range(0, 100), at, wait, "second".into());
        assert_eq!(attempts.n_failed(range(50, 200)), 2);
        assert_eq!(attempts.retry_at(range(100, 200)), None);
        assert_eq!(attempts.reason(), Some("second"));
        attempts.ended(range(0, 10));
        assert_eq!(attempts.n_failed(range(0, 100)), 0);
    }
}
