//! What is heard of a cycle, as metrics and as one wide event for each step.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Metrics;
use super::metric;
use crate::engine::{Event, StepOutcomeKind, StepReport};

/// Listens to an engine.
pub(crate) struct Watch {
    metrics: Metrics,
    probing: Mutex<Option<(String, Instant)>>,
}
