//! The metrics of one sidecar: described, initialised at zero, and rendered for Prometheus.
//!
//! Invariant: a metric is there from the start, with every label that is known by then, so that a
//! rate over it never misses the first event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::metric::{self, METRICS, MetricKind};

/// Nothing of this is global: a process may have several, and each renders only its own.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    /// What statements waited, by the reason.
    throttled: Arc<Mutex<BTreeMap<String, Duration>>>,
}

/// What is left in a table, as last looked at.
const OF_TABLES: [&str; 10] = [
    metric::RETENTION_LAG,
    metric::BACKLOG,
    metric::UNDATABLE,
    metric::FUTURE,
    metric::WAITING,
    metric::BY_HAND,
    metric::STALLED,
    metric::QUARANTINED,
    metric::DEAD_BYTES,
    metric::RECLAIM_LAG,
];

static METADATA: Metadata<'static> = Metadata::new("ebbtide", Level::INFO, None);

impl Metrics {
    /// Metrics at zero.
    ///
    /// ```
    /// let metrics = ebbtide::Metrics::new()?;
    /// metrics.know_tables(["traces"]);
    /// let text = metrics.render();
    /// assert!(text.contains("ebbtide_backlog_rows{table=\"traces\"} 0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None with the buckets as they are.
    pub fn new() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS {
            if metric.kind == MetricKind::Histogram {
                let buckets: &[f64] = if metric.name == metric::HTTP_DURATION {
                    &metric::SHORT
                } else {
                    &metric::LONG
                };
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
            }
        }
        let recorder = Arc::new(builder.build_recorder());
        let this = Self {
            handle: recorder.handle(),
            recorder,
            throttled: Arc::default(),
        };
        this.describe();
        this.begin();
        Ok(this)
    }

    fn describe(&self) {
        for metric in METRICS {
            let name = KeyName::from_const_str(metric.name);
            let (unit, help): (Option<Unit>, _) = (metric.unit, metric.help.into());
            match metric.kind {
                MetricKind::Counter => self.recorder.describe_counter(name, unit, help),
                MetricKind::Gauge => self.recorder.describe_gauge(name, unit, help),
                MetricKind::Histogram => self.recorder.describe_histogram(name, unit, help),
            }
        }
    }

    fn begin(&self) {
        for metric in METRICS.iter().filter(|metric| metric.labels.is_empty()) {
            match metric.kind {
                MetricKind::Counter => self.add(metric.name, &[], 0),
                MetricKind::Gauge => self.set(metric.name, &[], 0.0),
                MetricKind::Histogram => {}
            }
        }
        let version = env!("CARGO_PKG_VERSION");
        self.set(metric::BUILD_INFO, &[("version", version)], 1.0);
        for outcome in metric::OUTCOMES {
            self.add(metric::CYCLES, &[("outcome", outcome)], 0);
        }
        for reason in metric::REASONS {
            self.add(metric::THROTTLED, &[("reason", reason)], 0);
        }
    }

    /// Begins the metrics of tables at zero; those that have begun keep what they say.
    pub fn know_tables<'t>(&self, tables: impl IntoIterator<Item = &'t str>) {
        for table in tables {
            let label = [("table", table)];
            for verdict in metric::VERDICTS {
                self.add(metric::STEPS, &[("table", table), ("verdict", verdict)], 0);
            }
            self.add(
                metric::ROWS_DELETED,
                &[("table", table), ("method", "lightweight")],
                0,
            );
            self.add(metric::RECLAIMED_BYTES, &label, 0);
            for histogram in [metric::STATEMENT_DURATION, metric::PROBE_DURATION] {
                drop(
                    self.recorder
                        .register_histogram(&key(histogram, &label), &METADATA),
                );
            }
            for name in OF_TABLES {
                self.recorder
                    .register_gauge(&key(name, &label), &METADATA)
                    .increment(0.0);
            }
        }
    }

    /// Nobody looks at these tables any more: what was left of them is over.
    pub(crate) fn forget_tables<'t>(&self, tables: impl IntoIterator<Item = &'t str>) {
        for table in tables {
            for name in OF_TABLES {
                self.set(name, &[("table", table)], 0.0);
            }
        }
    }

    /// All metrics as Prometheus reads them.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Puts what histograms have gathered into their buckets; to be called now and then, or what
    /// nobody renders takes memory.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// A request to the API was answered.
    pub fn request(&self, route: &str, method: &str, status: u16, duration: Duration) {
        let status = status.to_string();
        let labels = [("route", route), ("method", method), ("status", &status)];
        self.add(metric::HTTP_REQUESTS, &labels, 1);
        self.record(metric::HTTP_DURATION, &[("route", route)], duration);
    }

    pub(crate) fn add(&self, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        let counter = self
            .recorder
            .register_counter(&key(name, labels), &METADATA);
        counter.increment(by);
    }

    pub(crate) fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.recorder
            .register_gauge(&key(name, labels), &METADATA)
            .set(value);
    }

    pub(crate) fn set_count(
        &self,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) {
        self.set(name, labels, float(value));
    }

    pub(crate) fn set_len(&self, name: &'static str, length: usize) {
        self.set_count(name, &[], u64::try_from(length).unwrap_or(u64::MAX));
    }

    pub(crate) fn record(
        &self,
        name: &'static str,
        labels: &[(&'static str, &str)],
        duration: Duration,
    ) {
        self.recorder
            .register_histogram(&key(name, labels), &METADATA)
            .record(duration.as_secs_f64());
    }

    /// Statements waited.
    pub(crate) fn throttled(&self, reason: &str, length: Duration) {
        let mut throttled = self
            .throttled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sum = throttled.entry(reason.to_owned()).or_default();
        *sum = sum.saturating_add(length);
        let labels = [("reason", reason)];
        self.recorder
            .register_counter(&key(metric::THROTTLED, &labels), &METADATA)
            .absolute(sum.as_secs());
    }

    /// When a cycle last ended as done.
    pub(crate) fn succeeded_at(&self, at: Timestamp) {
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        self.set_count(metric::LAST_SUCCESS, &[], seconds);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "gauges are floats; a count beyond 2^53 may be rounded"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_there_before_anything_happened() {
        let metrics = Metrics::new().unwrap();
        metrics.know_tables(["spans", "traces"]);
        let text = metrics.render();
        // Routes are known only when they are asked for.
        for metric in METRICS
            .iter()
            .filter(|metric| !metric.labels.contains(&"route"))
        {
            assert!(
                text.contains(&format!("# HELP {} ", metric.name)),
                "{}",
                metric.name
            );
            let samples: Vec<&str> = text
                .lines()
                .filter(|line| {
                    let rest = line.strip_prefix(metric.name);
                    rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
                })
                .collect();
            assert!(!samples.is_empty(), "{} has no sample", metric.name);
            for label in metric.labels {
                assert!(samples[0].contains(&format!("{label}=\"")), "{samples:?}");
            }
            if metric.name != metric::BUILD_INFO {
                for sample in samples {
                    assert!(sample.ends_with(" 0"), "{sample}");
                }
            }
        }
    }

    #[test]
    fn what_tables_said_stays_when_they_are_named_again() {
        let metrics = Metrics::new().unwrap();
        metrics.know_tables(["traces"]);
        metrics.set_count(metric::BACKLOG, &[("table", "traces")], 7);
        metrics.know_tables(["traces"]);
        assert!(
            metrics
                .render()
                .contains("ebbtide_backlog_rows{table=\"traces\"} 7")
        );
    }

    #[test]
    fn short_waits_add_up_to_seconds() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..5 {
            metrics.throttled("pace", Duration::from_millis(500));
            metrics.throttled("other", Duration::from_millis(300));
        }
        let text = metrics.render();
        for line in ["{reason=\"pace\"} 2\n", "{reason=\"other\"} 1\n"] {
            let line = format!("ebbtide_throttled_seconds_total{line}");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let metrics = Metrics::new().unwrap();
        metrics.request("/v1/rules/{id}", "GET", 200, Duration::from_millis(3));
        let text = metrics.render();
        let line =
            "ebbtide_http_requests_total{route=\"/v1/rules/{id}\",method=\"GET\",status=\"200\"} 1";
        assert!(text.contains(line), "{text}");
        let bucket =
            "ebbtide_http_request_duration_seconds_bucket{route=\"/v1/rules/{id}\",le=\"0.005\"} 1";
        assert!(text.contains(bucket), "{text}");
    }
}
