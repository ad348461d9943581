//! The decision whether a statement may be sent to a table now.
//!
//! Invariant: never at or beyond a limit; and who waits goes on only well below it, so that nothing
//! flaps in between. A latency that stays in between is let pass in the end.

use std::collections::BTreeSet;

use super::signal::{Readings, Signal, Thresholds, Wait};

/// The signals that hold a table back.
pub type Held = BTreeSet<Signal>;

/// Whether a statement may be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It may.
    Go,
    /// It may not, and this is the worst of the reasons.
    Wait(Wait),
}

/// Decides from one look, the limits, and what held the table back before; returns what holds it
/// back from now on, too.
pub fn decide(readings: &Readings, limits: &Thresholds, before: &Held) -> (Decision, Held) {
    let mut held = Held::new();
    let mut worst: Option<(f64, Wait)> = None;
    for (signal, value, limit) in readings.beside(limits) {
        let load = signal.load(value, limit);
        let bound = if before.contains(&signal) {
            limits.resume_at
        } else {
            1.0
        };
        if load < bound {
            continue;
        }
        held.insert(signal);
        if worst.as_ref().is_none_or(|(other, _)| load > *other) {
            let problem = None;
            let wait = Wait {
                signal,
                value,
                limit,
                problem,
            };
            worst = Some((load, wait));
        }
    }
    let decision = worst.map_or(Decision::Go, |(_, wait)| Decision::Wait(wait));
    (decision, held)
}

#[cfg(test)]
mod tests;
