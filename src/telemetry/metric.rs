//! Every metric by its name: the one list that code, dashboards and alerts are held to.

use metrics::Unit;

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

/// A metric and what it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, with its unit.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Its unit, if it has one.
    pub unit: Option<Unit>,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $ident:ident: $kind:ident $name:literal $labels:expr, $unit:expr, $help:literal;)*) => {
        $(pub(crate) const $ident: &str = $name;)*

        /// Every metric of Ebbtide, for documents and tests.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: MetricKind::$kind,
            unit: $unit,
            labels: &$labels,
            help: $help,
        }),*];
    };
}

metrics! {
    BUILD_INFO: Gauge "ebbtide_build_info" ["version"], None,
        "Always 1; its label says which version runs.";
    CYCLES: Counter "ebbtide_cycles_total" ["outcome"], Some(Unit::Count),
        "Cycles by how they ended.";
    STEPS: Counter "ebbtide_steps_total" ["table", "verdict"], Some(Unit::Count),
        "Steps by what became of them.";
    ROWS_DELETED: Counter "ebbtide_rows_deleted_total" ["table", "method"], Some(Unit::Count),
        "Rows that a count proved gone.";
    STATEMENT_DURATION: Histogram "ebbtide_statement_duration_seconds" ["table"], Some(Unit::Seconds),
        "From sending a statement to the count after it.";
    PROBE_DURATION: Histogram "ebbtide_probe_duration_seconds" ["table"], Some(Unit::Seconds),
        "Looking what is expired in a table.";
    RETENTION_LAG: Gauge "ebbtide_retention_lag_seconds" ["table"], Some(Unit::Seconds),
        "How far the oldest expired row still there is below its cutoff, as last looked at.";
    BACKLOG: Gauge "ebbtide_backlog_rows" ["table"], Some(Unit::Count),
        "Expired rows still there, as last looked at.";
    UNDATABLE: Gauge "ebbtide_undatable_rows" ["table"], Some(Unit::Count),
        "Rows without an age, which never expire, as last looked at.";
    FUTURE: Gauge "ebbtide_future_rows" ["table"], Some(Unit::Count),
        "Rows from the future, as last looked at.";
    WAITING: Gauge "ebbtide_waiting_rows" ["table"], Some(Unit::Count),
        "Rows that would go once a change of rules is approved, or its armed time is over.";
    BY_HAND: Gauge "ebbtide_partitions_by_hand" ["table"], Some(Unit::Count),
        "Partitions that could go as a whole if a person let them; their rows are masked, as last looked at.";
    DEAD_BYTES: Gauge "ebbtide_dead_bytes" ["table"], Some(Unit::Bytes),
        "Disk that deleted rows hold until their parts are merged or rewritten, as last looked at.";
    RECLAIM_LAG: Gauge "ebbtide_reclaim_lag_seconds" ["table"], Some(Unit::Seconds),
        "For how long the oldest deleted row that is on disk is deleted, as last looked at; 0 if there is none.";
    RECLAIMED_BYTES: Counter "ebbtide_reclaimed_bytes_total" ["table"], Some(Unit::Bytes),
        "Disk that rewrites by this instance have freed.";
    THROTTLED: Counter "ebbtide_throttled_seconds_total" ["reason"], Some(Unit::Seconds),
        "Time that statements waited for their turn.";
    STALLED: Gauge "ebbtide_stalled_mutations" ["table"], Some(Unit::Count),
        "Mutations of ours without a finished part for pace.stall_after, as last looked at.";
    QUARANTINED: Gauge "ebbtide_quarantined_bytes" ["table"], Some(Unit::Bytes),
        "Bytes of partitions in quarantine, which are freed when they are dropped.";
    LEASE_HELD: Gauge "ebbtide_lease_held" [], None,
        "1 while this instance holds the lease that deletes need.";
    LEASE_LOSSES: Counter "ebbtide_lease_losses_total" [], Some(Unit::Count),
        "Leases that this instance lost while it was at work.";
    HOLDS: Gauge "ebbtide_holds" [], Some(Unit::Count),
        "Holds in force.";
    PAUSES: Gauge "ebbtide_pauses" [], Some(Unit::Count),
        "Pauses in force.";
    EVERYTHING_PAUSED: Gauge "ebbtide_everything_paused" [], None,
        "1 while a pause of everything is in force.";
    PLANS_PENDING: Gauge "ebbtide_plans_pending" [], Some(Unit::Count),
        "Kept plans that wait for an approval.";
    LAST_SUCCESS: Gauge "ebbtide_last_success_timestamp_seconds" [], Some(Unit::Seconds),
        "When a cycle of any instance last ended as done or partial, in Unix time; 0 if none ever did.";
    SLOTS_DUE: Gauge "ebbtide_slots_due" [], Some(Unit::Count),
        "Slots of today that are due by now.";
    SLOTS_DONE: Gauge "ebbtide_slots_done" [], Some(Unit::Count),
        "Slots of today that are done, by whichever instance, apart from rows that are paused.";
    READY: Gauge "ebbtide_ready" [], None,
        "1 once the ledger and a shard of ClickHouse have been reached, and while they can be.";
    ENABLED: Gauge "ebbtide_enabled" [], None,
        "1 if retention.enabled is true; 0 means that this instance only plans.";
    RELOAD_FAILURES: Counter "ebbtide_config_reload_failures_total" [], Some(Unit::Count),
        "Configurations that were read on SIGHUP and refused.";
    LEDGER_ERRORS: Counter "ebbtide_ledger_errors_total" [], Some(Unit::Count),
        "Times that the ledger could not be asked, or said no.";
    WAREHOUSE_ERRORS: Counter "ebbtide_warehouse_errors_total" [], Some(Unit::Count),
        "Cycles and plans that ClickHouse made impossible, and tables that could not be looked at.";
    HTTP_REQUESTS: Counter "ebbtide_http_requests_total" ["route", "method", "status"], Some(Unit::Count),
        "Requests to the API.";
    HTTP_DURATION: Histogram "ebbtide_http_request_duration_seconds" ["route"], Some(Unit::Seconds),
        "How long requests to the API took.";
}

/// Buckets for statements and probes, which take from milliseconds to an hour.
pub(super) const LONG: [f64; 12] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0,
];

/// Buckets for requests.
pub(super) const SHORT: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// How cycles end.
pub(super) const OUTCOMES: [&str; 9] = [
    "done",
    "partial",
    "deferred",
    "failed",
    "stale",
    "refused",
    "stopped",
    "lease_lost",
    "abandoned",
];

/// What becomes of steps.
pub(super) const VERDICTS: [&str; 5] = ["verified", "incomplete", "unknown", "failed", "skipped"];

/// Why statements wait.
pub(super) const REASONS: [&str; 10] = [
    "pace",
    "ledger",
    "parts_mutating",
    "unfinished_mutations",
    "parts_share",
    "replication_lag",
    "replication_queue",
    "free_disk_share",
    "foreground_latency",
    "unreadable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_a_reason() {
        let signals = crate::pace::Signal::ALL.map(crate::pace::Signal::as_str);
        assert_eq!(REASONS[..2], ["pace", "ledger"]);
        assert_eq!(REASONS[2..], signals);
    }

    #[test]
    fn names_have_the_prefix_and_the_suffix_of_their_kind_and_are_there_once() {
        for (at, metric) in METRICS.iter().enumerate() {
            let name = metric.name;
            assert!(name.starts_with("ebbtide_"), "{name}");
            assert_eq!(
                metric.kind == MetricKind::Counter,
                name.ends_with("_total"),
                "{name}"
            );
            if metric.unit == Some(Unit::Seconds) {
                let stem = name.trim_end_matches("_total");
                assert!(stem.ends_with("_seconds"), "{name}");
            }
            assert!(
                METRICS.iter().take(at).all(|other| other.name != name),
                "{name} is there twice"
            );
        }
    }
}
