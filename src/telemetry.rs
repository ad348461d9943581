//! Telemetry: logs, metrics and traces, with the names of the domain.
//!
//! Invariant: it only listens. Nothing here decides what is deleted, and a log that nobody reads or
//! a collector that is gone stops nothing.

mod log;
pub(crate) mod metric;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod watch;

pub use log::{Logging, start_logging};
pub use metric::{METRICS, Metric, MetricKind};
pub use metrics::Metrics;
pub(crate) use watch::Watch;

/// A length of time in whole milliseconds.
pub(crate) fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
