//! The configuration as a person writes it. Unknown keys are errors everywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::serve::{ApprovalMode, LogFormat, Role, TlsFiles};
use crate::target::Target;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) version: u32,
    #[serde(default)]
    pub(super) clickhouse: RawClickHouse,
    #[serde(default)]
    pub(super) ledger: RawLedger,
    #[serde(default)]
    pub(super) directory: Option<RawDirectory>,
    #[serde(default)]
    pub(super) retention: RawRetention,
    #[serde(default)]
    pub(super) plan: RawPlan,
    #[serde(default)]
    pub(super) pace: RawPace,
    #[serde(default)]
    pub(super) reclaim: RawReclaim,
    #[serde(default)]
    pub(super) serve: RawServe,
    #[serde(default)]
    pub(super) record: RawRecord,
    #[serde(default)]
    pub(super) api: RawApi,
    #[serde(default)]
    pub(super) log: RawLog,
    #[serde(default)]
    pub(super) telemetry: RawTelemetry,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
    #[serde(default)]
    pub(super) unmanaged: Vec<String>,
}

impl RawConfig {
    /// Keys of the format that this version, or this build, accepts and does nothing with.
    pub(super) fn without_effect(&self) -> Vec<&'static str> {
        [(
            "telemetry.otlp_endpoint",
            self.telemetry.otlp_endpoint.is_some() && !cfg!(feature = "otel"),
        )]
        .into_iter()
        .filter_map(|(key, is_set)| is_set.then_some(key))
        .collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawClickHouse {
    pub(super) shards: Vec<RawShard>,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) compression: bool,
    pub(super) probe_timeout: String,
    pub(super) probe_threads: u32,
    pub(super) probe_rows: u64,
    pub(super) probe_concurrency: u32,
    pub(super) statement_timeout: String,
    pub(super) settle_timeout: String,
    pub(super) password_env: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

impl Default for RawClickHouse {
    fn default() -> Self {
        Self {
            shards: vec![RawShard {
                url: "http://127.0.0.1:8123".into(),
            }],
            database: "default".into(),
            user: "default".into(),
            ca_file: None,
            compression: true,
            probe_timeout: "3m".into(),
            probe_threads: 4,
            probe_rows: 10_000_000_000,
            probe_concurrency: 2,
            statement_timeout: "1h".into(),
            settle_timeout: "10m".into(),
            password_env: None,
            password_file: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShard {
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    pub(super) url: String,
    pub(super) password_env: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self {
            url: "sqlite://ebbtide.db".into(),
            password_env: None,
            password_file: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDirectory {
    pub(super) url: String,
    pub(super) query: String,
    #[serde(default)]
    pub(super) password_env: Option<String>,
    #[serde(default)]
    pub(super) password_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetention {
    pub(super) enabled: bool,
    pub(super) approval: ApprovalMode,
    pub(super) armed_for: String,
    pub(super) default: String,
    pub(super) floor: String,
    pub(super) periods: BTreeMap<String, String>,
    pub(super) slots_per_day: RawSlots,
    pub(super) max_share_of_table: f64,
    pub(super) budget: RawBudget,
}

/// What one cycle may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBudget {
    pub(super) rows: u64,
    pub(super) statements: u64,
    pub(super) time: String,
}

impl Default for RawBudget {
    fn default() -> Self {
        Self {
            rows: 200_000_000,
            statements: 400,
            time: "50m".into(),
        }
    }
}

impl Default for RawRetention {
    fn default() -> Self {
        let periods = [
            ("short_14d", "14d"),
            ("base_60d", "60d"),
            ("extended_400d", "400d"),
        ];
        Self {
            enabled: false,
            approval: ApprovalMode::default(),
            armed_for: "0s".into(),
            default: "unlimited".into(),
            floor: "1d".into(),
            periods: periods
                .map(|(name, days)| (name.to_owned(), days.to_owned()))
                .into(),
            slots_per_day: RawSlots::Auto,
            max_share_of_table: 0.5,
            budget: RawBudget::default(),
        }
    }
}

/// `auto`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawSlots {
    Auto,
    Number(i64),
}

impl<'de> Deserialize<'de> for RawSlots {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrNumber;

        impl serde::de::Visitor<'_> for AutoOrNumber {
            type Value = RawSlots;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("auto or a whole number")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawSlots, E> {
                if text == "auto" {
                    return Ok(RawSlots::Auto);
                }
                // Not the value itself: it may be a secret in the wrong place.
                Err(E::invalid_value(
                    serde::de::Unexpected::Other("this text"),
                    &self,
                ))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<RawSlots, E> {
                Ok(RawSlots::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<RawSlots, E> {
                Ok(RawSlots::Number(number))
            }
        }

        deserializer.deserialize_any(AutoOrNumber)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPlan {
    pub(super) workspaces_per_statement: u64,
    pub(super) statement_bytes: u64,
    pub(super) rows_per_step: u64,
}

impl Default for RawPlan {
    fn default() -> Self {
        Self {
            workspaces_per_statement: 1_000,
            statement_bytes: 240_000,
            rows_per_step: 5_000_000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReclaim {
    pub(super) enabled: bool,
    pub(super) min_dead_share: f64,
    pub(super) after: String,
    pub(super) free_disk: f64,
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
pub(super) struct RawPace {
    pub(super) statements_per_minute: u32,
    pub(super) rows_per_second: u32,
    pub(super) statement_target: String,
    pub(super) longest_wait: String,
    pub(super) stall_after: String,
    pub(super) window: String,
    pub(super) workload: Option<String>,
    pub(super) backpressure: RawBackpressure,
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
pub(super) struct RawBackpressure {
    pub(super) parts_mutating: u32,
    pub(super) unfinished_mutations: u32,
    pub(super) parts_share: f64,
    pub(super) replication_lag: String,
    pub(super) replication_queue: u32,
    pub(super) free_disk_share: f64,
    pub(super) foreground_latency: f64,
    pub(super) foreground_latency_floor: String,
    pub(super) resume_at: f64,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServe {
    pub(super) shutdown_timeout: String,
    pub(super) lease: String,
    pub(super) max_clock_skew: String,
}

impl Default for RawServe {
    fn default() -> Self {
        Self {
            shutdown_timeout: "1m".into(),
            lease: "1m".into(),
            max_clock_skew: "10m".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecord {
    pub(super) retention: String,
}

impl Default for RawRecord {
    fn default() -> Self {
        Self {
            retention: "400d".into(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) format: LogFormat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelemetry {
    pub(super) otlp_endpoint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApi {
    pub(super) listen: String,
    pub(super) metrics_listen: Option<String>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) tokens: Vec<RawToken>,
    pub(super) body_limit: u64,
    pub(super) requests_per_minute: u32,
    pub(super) timeout: String,
    pub(super) plan_timeout: String,
}

impl Default for RawApi {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8484".into(),
            metrics_listen: None,
            tls: None,
            tokens: Vec::new(),
            body_limit: 1024 * 1024,
            requests_per_minute: 600,
            timeout: "30s".into(),
            plan_timeout: "5m".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    pub(super) name: String,
    #[serde(default)]
    pub(super) sha256: Option<String>,
    #[serde(default)]
    pub(super) sha256_file: Option<PathBuf>,
    pub(super) role: Role,
    #[serde(default)]
    pub(super) organization: Option<String>,
    #[serde(default)]
    pub(super) workspace: Option<String>,
}
