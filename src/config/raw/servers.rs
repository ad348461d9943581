//! Sections about the servers that Ebbtide talks to.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawClickHouse {
    pub(in crate::config) shards: Vec<RawShard>,
    pub(in crate::config) database: String,
    pub(in crate::config) user: String,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) compression: bool,
    pub(in crate::config) probe_timeout: String,
    pub(in crate::config) probe_threads: u32,
    pub(in crate::config) probe_rows: u64,
    pub(in crate::config) probe_groups: u64,
    pub(in crate::config) probe_concurrency: u32,
    pub(in crate::config) statement_timeout: String,
    pub(in crate::config) settle_timeout: String,
    pub(in crate::config) password_env: Option<String>,
    pub(in crate::config) password_file: Option<PathBuf>,
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
            probe_groups: 2_500_000,
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
pub(in crate::config) struct RawShard {
    pub(in crate::config) url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLedger {
    pub(in crate::config) url: String,
    pub(in crate::config) password_env: Option<String>,
    pub(in crate::config) password_file: Option<PathBuf>,
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
pub(in crate::config) struct RawDirectory {
    pub(in crate::config) url: String,
    pub(in crate::config) query: String,
    #[serde(default)]
    pub(in crate::config) password_env: Option<String>,
    #[serde(default)]
    pub(in crate::config) password_file: Option<PathBuf>,
}
