//! Reads that are slower than usual and never too slow: a table is not held for them for ever.
//!
//! Who was held by the latency goes on well below its limit. Where reads stay between that and the
//! limit, that never comes, and what is usual is not learned while something is held.

use super::gate::Held;
use super::signal::{Readings, Signal, Thresholds};

/// After so many looks in a row the latency holds nothing any more.
const ENOUGH: u32 = 30;

/// How many looks in a row found small reads faster than their limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Calm(u32);

impl Calm {
    /// What held the table back until this look, but for a latency that was below its limit for long.
    pub(super) fn look(&mut self, readings: &Readings, limits: &Thresholds, before: &Held) -> Held {
        let is_below = |(signal, value, limit): (Signal, f64, f64)| {
            signal == Signal::ForegroundLatency && signal.load(value, limit) < 1.0
        };
        self.0 = if readings.beside(limits).into_iter().any(is_below) {
            self.0.saturating_add(1)
        } else {
            0
        };
        let mut before = before.clone();
        if self.0 >= ENOUGH {
            before.remove(&Signal::ForegroundLatency);
        }
        before
    }
}
