//! What a small read usually takes, as far as reads without anything that held the table back say.
//!
//! Invariant: it is never longer than a read that nobody notices. So a process that starts beside an
//! overload does not take that for usual, and one that lasts does not become so.

use super::signal::Thresholds;

/// What a small read usually takes, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usual(Option<f64>);

impl Usual {
    /// What is usual. Before the first read is learned from, it is the only one there is.
    pub(super) fn ms(self, latency_ms: f64, limits: &Thresholds) -> f64 {
        let usual_ms = self.0.unwrap_or(latency_ms);
        usual_ms.min(limits.foreground_latency_floor_ms)
    }

    /// Learns from a read: quickly down, and slowly up where nothing held the table back.
    pub(super) fn learn(&mut self, latency_ms: f64, limits: &Thresholds, is_held: bool) {
        let before = self.ms(latency_ms, limits);
        let share = if latency_ms < before {
            0.5
        } else if is_held {
            0.0
        } else {
            0.01
        };
        let learned = Self(Some(before + (latency_ms - before) * share));
        self.0 = Some(learned.ms(latency_ms, limits));
    }
}
