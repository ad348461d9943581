//! The configuration as a person writes it. Unknown keys are errors everywhere.

mod pace;
mod retention;
mod servers;
mod sidecar;

use serde::Deserialize;

use crate::target::Target;

pub(super) use pace::{RawBackpressure, RawPace, RawReclaim};
pub(super) use retention::{RawBudget, RawPlan, RawRetention, RawSlots};
pub(super) use servers::{RawClickHouse, RawDirectory, RawLedger};
pub(super) use sidecar::{RawApi, RawLog, RawRecord, RawServe, RawTelemetry, RawToken};

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
