//! Sections about what a cycle may ask of ClickHouse.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawReclaim {
    pub(in crate::config) enabled: bool,
    pub(in crate::config) min_dead_share: f64,
    pub(in crate::config) after: String,
    pub(in crate::config) free_disk: f64,
}

impl Default for RawReclaim {
    fn default() -> Self {
        Self {
            enabled: false,
            min_dead_share: 0.2,
            after: "7d".into(),
            free_disk: 1.5,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawPace {
    pub(in crate::config) statements_per_minute: u32,
    pub(in crate::config) rows_per_second: u32,
    pub(in crate::config) statement_target: String,
    pub(in crate::config) longest_wait: String,
    pub(in crate::config) stall_after: String,
    pub(in crate::config) window: String,
    pub(in crate::config) workload: Option<String>,
    pub(in crate::config) backpressure: RawBackpressure,
}

impl Default for RawPace {
    fn default() -> Self {
        Self {
            statements_per_minute: 30,
            rows_per_second: 2_000_000,
            statement_target: "5m".into(),
            longest_wait: "5m".into(),
            stall_after: "30m".into(),
            window: "00:00-24:00".into(),
            workload: None,
            backpressure: RawBackpressure::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawBackpressure {
    pub(in crate::config) parts_mutating: u32,
    pub(in crate::config) unfinished_mutations: u32,
    pub(in crate::config) parts_share: f64,
    pub(in crate::config) replication_lag: String,
    pub(in crate::config) replication_queue: u32,
    pub(in crate::config) free_disk_share: f64,
    pub(in crate::config) foreground_latency: f64,
    pub(in crate::config) foreground_latency_floor: String,
    pub(in crate::config) resume_at: f64,
}

impl Default for RawBackpressure {
    fn default() -> Self {
        Self {
            parts_mutating: 20,
            unfinished_mutations: 5,
            parts_share: 0.8,
            replication_lag: "5m".into(),
            replication_queue: 500,
            free_disk_share: 0.05,
            foreground_latency: 5.0,
            foreground_latency_floor: "300ms".into(),
            resume_at: 0.7,
        }
    }
}
