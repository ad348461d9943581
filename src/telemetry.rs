//! Telemetry: logs, metrics and traces, with the names of the domain.
//!
//! Invariant: it only listens. Nothing here decides what is deleted, and a log that nobody reads or
//! a collector that is gone stops nothing.

mod log;
mod metric;
mod metrics;
#[cfg(feature = "otel")]
mod otel;


pub use log::{Logging, start_logging};
pub use metric::{METRICS, Metric, MetricKind};
pub use metrics::Metrics;

