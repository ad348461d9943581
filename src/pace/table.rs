//! What is known of the pace of a table, and what looks at the load of its server make of it.
//!
//! Invariant: a load that cannot be read holds a table back, whatever was known before.

use std::time::Instant;

use super::LOOK_EVERY;
use super::calm::Calm;
use super::gate::{Decision, Held, decide};
use super::signal::{Readings, Signal, Thresholds, Wait};
use super::step_size::StepSize;
use super::usual::Usual;

/// What is known of a table's pace.
#[derive(Debug)]
pub(super) struct TablePace {
    held: Held,
    usual: Usual,
    calm: Calm,
    pub(super) step: StepSize,
    /// What was decided last, and when.
    last: Option<(Instant, Decision)>,
}

impl TablePace {
    /// Nobody has looked yet.
    pub(super) fn new(rows_per_step: u64) -> Self {
        Self {
            held: Held::new(),
            usual: Usual::default(),
            calm: Calm::default(),
            step: StepSize::new(rows_per_step),
            last: None,
        }
    }

    /// Decides from a look, or from why there is none, and learns from it.
    pub(super) fn decide(
        &mut self,
        load: Result<Readings, String>,
        limits: &Thresholds,
        now: Instant,
    ) -> Decision {
        let decision = match load {
            Ok(load) => self.decide_from(load, limits),
            Err(problem) => {
                self.calm = Calm::default();
                Decision::Wait(Wait::unreadable(problem))
            }
        };
        self.last = Some((now, decision.clone()));
        decision
    }

    fn decide_from(&mut self, load: Readings, limits: &Thresholds) -> Decision {
        let readings = Readings {
            usual_latency_ms: self.usual.ms(load.latency_ms, limits),
            ..load
        };
        let before = self.calm.look(&readings, limits, &self.held);
        let (decision, held) = decide(&readings, limits, &before);
        let is_held = decision != Decision::Go;
        self.usual.learn(load.latency_ms, limits, is_held);
        self.held = held;
        decision
    }

    /// What was decided, if that is so short ago that nobody asks the server again.
    pub(super) fn lately(&self, now: Instant) -> Option<Decision> {
        let (at, decision) = self.last.as_ref()?;
        let is_lately = now.duration_since(*at) < LOOK_EVERY;
        is_lately.then(|| decision.clone())
    }

    /// What a decision means for a statement that frees disk and needs none.
    pub(super) fn to_free(&self, decision: Decision) -> Decision {
        let is_only_full = self.held.iter().eq([&Signal::FreeDiskShare]);
        match decision {
            Decision::Wait(wait) if is_only_full && wait.problem.is_none() => Decision::Go,
            decision => decision,
        }
    }
}

#[cfg(test)]
mod tests;
