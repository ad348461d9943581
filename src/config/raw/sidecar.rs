//! Sections about the sidecar itself.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::serve::{LogFormat, Role, TlsFiles};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawServe {
    pub(in crate::config) shutdown_timeout: String,
    pub(in crate::config) lease: String,
    pub(in crate::config) max_clock_skew: String,
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
pub(in crate::config) struct RawRecord {
    pub(in crate::config) retention: String,
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
pub(in crate::config) struct RawLog {
    pub(in crate::config) format: LogFormat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawTelemetry {
    pub(in crate::config) otlp_endpoint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawApi {
    pub(in crate::config) listen: String,
    pub(in crate::config) metrics_listen: Option<String>,
    pub(in crate::config) tls: Option<TlsFiles>,
    pub(in crate::config) tokens: Vec<RawToken>,
    pub(in crate::config) body_limit: u64,
    pub(in crate::config) requests_per_minute: u32,
    pub(in crate::config) timeout: String,
    pub(in crate::config) plan_timeout: String,
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
pub(in crate::config) struct RawToken {
    pub(in crate::config) name: String,
    #[serde(default)]
    pub(in crate::config) sha256: Option<String>,
    #[serde(default)]
    pub(in crate::config) sha256_file: Option<PathBuf>,
    pub(in crate::config) role: Role,
    #[serde(default)]
    pub(in crate::config) organization: Option<String>,
    #[serde(default)]
    pub(in crate::config) workspace: Option<String>,
}
