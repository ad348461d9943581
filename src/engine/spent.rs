//! The time that a cycle spends: how much of it each shard may have.
//!
//! Invariant: no shard is left out for what another one has to do. Half of the time is shared out
//! evenly, and what is not used of it goes to those that follow; the other half is for whoever is
//! most overdue and has its turn first. Each shard sends something in its turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a cycle has spent of its time.
#[derive(Debug)]
pub(super) struct Spent {
    began_at: Instant,
    time: Duration,
    /// When the turn of a shard ends, in milliseconds from the beginning.
    until_ms: AtomicU64,
    /// Whether something was sent in this turn.
    has_sent: AtomicBool,
}

impl Spent {
    pub(super) fn new(time: Duration) -> Self {
        Self {
            began_at: Instant::now(),
            time,
            until_ms: AtomicU64::new(ms(time)),
            has_sent: AtomicBool::new(false),
        }
    }

    /// The turn of one of so many shards begins, and so many follow.
    pub(super) fn begin_turn(&self, n_shards: u32, n_to_follow: u32) {
        let until = turn_ends(self.time, n_shards, n_to_follow);
        self.until_ms.store(ms(until), Ordering::Relaxed);
        self.has_sent.store(false, Ordering::Relaxed);
    }

    /// A statement is about to be sent.
    pub(super) fn send(&self) {
        self.has_sent.store(true, Ordering::Relaxed);
    }

    /// Whether the time of this turn is over. However long the wait was, each turn sends something.
    pub(super) fn is_used_up(&self) -> bool {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        self.has_sent.load(Ordering::Relaxed) && ms(self.began_at.elapsed()) >= until_ms
    }
}

/// When a turn ends: those that follow have their share of half of the time left.
fn turn_ends(time: Duration, n_shards: u32, n_to_follow: u32) -> Duration {
    let share = time / 2 / n_shards.max(1);
    time.saturating_sub(share.saturating_mul(n_to_follow))
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_alone_has_all_of_the_time() {
        let hour = Duration::from_hours(1);
        assert_eq!(turn_ends(hour, 1, 0), hour);
    }

    #[test]
    fn the_first_has_more_than_half_and_leaves_all_others_a_share() {
        let minutes = |ends: Duration| ends.as_secs() / 60;
        let of = |n_to_follow| minutes(turn_ends(Duration::from_mins(50), 5, n_to_follow));
        assert_eq!([4, 3, 2, 1, 0].map(of), [30, 35, 40, 45, 50]);
    }

    #[test]
    fn each_turn_sends_something_before_it_is_over() {
        let spent = Spent::new(Duration::ZERO);
        for n_to_follow in [1, 0] {
            spent.begin_turn(2, n_to_follow);
            assert!(!spent.is_used_up());
            spent.send();
            assert!(spent.is_used_up());
        }
    }
}
