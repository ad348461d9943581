//! What only the sidecar needs: schedule, leases, API, record.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many slots a day has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlotsPerDay {
    /// As few as the number of workspaces and the cost of a mutation allow.
    #[default]
    Auto,
    /// This many.
    Number(u32),
}

/// Whether a new install, and a change that deletes more than before, wait for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalMode {
    /// Until a reviewed plan was applied or approved, only what was approved before is deleted.
    #[default]
    Required,
    /// Rules act at once, or after `armed_for`.
    None,
}

/// How the sidecar behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// How long SIGTERM waits for the current statement.
    pub shutdown_timeout: Duration,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How far the clocks of this machine and of ClickHouse may be apart.
    pub max_clock_skew: Duration,
    /// How long cycles, steps and the hash chain are kept.
    pub record_retention: Duration,
}

/// How the sidecar writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where traces go, in a build with the feature `otel`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TraceExport {
    /// Nowhere.
    #[default]
    Off,
    /// To the collector at this address, over HTTP.
    Endpoint(String),
    /// Where the standard variables `OTEL_EXPORTER_OTLP_…` say.
    Environment,
}

/// The HTTP API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are served, if not by the API.
    pub metrics_listen: Option<SocketAddr>,
    /// Certificate chain and key in PEM, for HTTPS.
    pub tls: Option<TlsFiles>,
    /// Who may ask.
    pub tokens: Vec<Token>,
    /// The largest body in bytes.
    pub body_limit: usize,
    /// Changes that each token may ask for in a minute, and a tenth of that at once.
    pub requests_per_minute: NonZeroU32,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long a request may take that probes ClickHouse: plans and previews.
    pub plan_timeout: Duration,
}

/// Certificate chain and key in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// A bearer token, known only by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name, which the record keeps as the author of a change.
    pub name: Arc<str>,
    /// The SHA-256 of its text.
    pub sha256: [u8; 32],
    /// What it may do.
    pub role: Role,
    /// Whose data it sees and touches.
    pub tenant: Tenant,
}

/// What a token may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Set rules, place holds, pause and resume, make plans.
    Operator,
    /// Release holds and approve plans.
    Admin,
}

/// Whose data a token sees and touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenant {
    /// Everybody's.
    All,
    /// One organization's, with its workspaces.
    Organization(Arc<str>),
    /// One workspace's.
    Workspace(Arc<str>),
}
