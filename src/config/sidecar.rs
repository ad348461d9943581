//! The check of what only the sidecar needs.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::check::duration;
use super::raw::{RawApi, RawConfig, RawRetention, RawSlots, RawTelemetry, RawToken};
use super::serve::{ApiConfig, ServeConfig, SlotsPerDay, Tenant, Token, TraceExport};
use crate::rule::Days;

/// The record is kept at least this long.
const RECORD_FLOOR_DAYS: u32 = 30;
/// A statement takes up to seconds before it is on its way; a lease must outlast that.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const SECONDS_PER_DAY: u64 = 86_400;
/// A slot for every minute.
const MOST_SLOTS: u32 = 1_440;

pub(super) fn check_serve(raw: &RawConfig, problems: &mut Vec<String>) -> ServeConfig {
    let serve = &raw.serve;
    let lease = duration("serve.lease", &serve.lease, problems);
    if !lease.is_zero() && lease < SHORTEST_LEASE {
        problems.push(format!(
            "serve.lease: {} is too short to be renewed in time; write at least 1s",
            serve.lease
        ));
    }
    ServeConfig {
        shutdown_timeout: duration("serve.shutdown_timeout", &serve.shutdown_timeout, problems),
        lease,
        max_clock_skew: duration("serve.max_clock_skew", &serve.max_clock_skew, problems),
        record_retention: record_retention(&raw.record.retention, problems),
    }
}

/// Where traces go: what the file says, or else the variables that every OpenTelemetry program
/// knows.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that may read the environment"
)]
pub(super) fn check_traces(raw: RawTelemetry, problems: &mut Vec<String>) -> TraceExport {
    let Some(endpoint) = raw.otlp_endpoint else {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let variables = [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ];
        return if variables.into_iter().any(is_set) {
            TraceExport::Environment
        } else {
            TraceExport::Off
        };
    };
    match url::Url::parse(&endpoint) {
        Ok(url) if url.scheme() == "http" && url.has_host() => TraceExport::Endpoint(endpoint),
        _ => {
            problems.push(
                "telemetry.otlp_endpoint: this is no address of a collector; write \
                 http://127.0.0.1:4318 (for https, put a collector of your own in between)"
                    .into(),
            );
            TraceExport::Off
        }
    }
}

fn record_retention(text: &str, problems: &mut Vec<String>) -> Duration {
    let days = match Days::parse(text) {
        Ok(days) if days.get() >= RECORD_FLOOR_DAYS => days.get(),
        Ok(days) => {
            problems.push(format!(
                "record.retention: {days} is below the floor of {RECORD_FLOOR_DAYS}d; who deletes must \
                 be able to say so for a while"
            ));
            RECORD_FLOOR_DAYS
        }
        Err(error) => {
            problems.push(format!("record.retention: {error}"));
            RECORD_FLOOR_DAYS
        }
    };
    Duration::from_secs(u64::from(days) * SECONDS_PER_DAY)
}

pub(super) fn check_slots(raw: &RawRetention, problems: &mut Vec<String>) -> SlotsPerDay {
    let RawSlots::Number(number) = raw.slots_per_day else {
        return SlotsPerDay::Auto;
    };
    let in_range = u32::try_from(number)
        .ok()
        .filter(|number| (1..=MOST_SLOTS).contains(number));
    in_range.map_or_else(
        || {
            problems.push(format!(
                "retention.slots_per_day: {number} is outside 1 to {MOST_SLOTS} (one a minute); \
                 write a number in between, or auto"
            ));
            SlotsPerDay::Auto
        },
        SlotsPerDay::Number,
    )
}

/// A length of time that may be nothing: `0s`.
/// A length of time that may be none, in days or in smaller units.
pub(super) fn days(key: &str, text: &str, problems: &mut Vec<String>) -> Duration {
    // Days are no unit of exact time elsewhere, but here a person thinks in them.
    if let Ok(days) = Days::parse(text) {
        return Duration::from_secs(u64::from(days.get()) * SECONDS_PER_DAY);
    }
    let is_zero = text
        .parse::<jiff::SignedDuration>()
        .is_ok_and(|length| length.is_zero());
    if is_zero || text == "0d" {
        return Duration::ZERO;
    }
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|length| Duration::try_from(length).ok())
        .unwrap_or_else(|| {
            problems.push(format!(
                "{key}: {text:?} is no length of time; write 0s, 12h or 2d"
            ));
            Duration::ZERO
        })
}

pub(super) fn check_api(raw: RawApi, problems: &mut Vec<String>) -> ApiConfig {
    let mut address = |key: &str, text: &str| {
        text.parse::<SocketAddr>().unwrap_or_else(|_| {
            problems.push(format!(
                "{key}: {text:?} is no address with a port; write 127.0.0.1:8484, or 0.0.0.0:8484 \
                 to listen everywhere"
            ));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    };
    let listen = address("api.listen", &raw.listen);
    let metrics_listen = raw
        .metrics_listen
        .as_deref()
        .map(|text| address("api.metrics_listen", text));
    if raw.body_limit == 0 {
        problems.push("api.body_limit: 0 would refuse everything; write a number of bytes".into());
    }
    let requests_per_minute = NonZeroU32::new(raw.requests_per_minute).unwrap_or_else(|| {
        problems.push(
            "api.requests_per_minute: 0 would refuse every change; write a number, or give no token \
             the role operator"
                .into(),
        );
        NonZeroU32::MIN
    });
    let timeout = duration("api.timeout", &raw.timeout, problems);
    let plan_timeout = duration("api.plan_timeout", &raw.plan_timeout, problems);
    let mut tokens: Vec<Token> = Vec::new();
    for (index, raw) in raw.tokens.into_iter().enumerate() {
        let Some(token) = check_token(&format!("api.tokens[{index}]"), raw, problems) else {
            continue;
        };
        if tokens.iter().any(|other| other.name == token.name) {
            problems.push(format!(
                "api.tokens[{index}].name: {:?} is taken; the record knows tokens by their names",
                token.name
            ));
        }
        if let Some(other) = tokens.iter().find(|other| other.sha256 == token.sha256) {
            problems.push(format!(
                "api.tokens[{index}]: it has the hash of {:?}; two names for one token leave open who \
                 asked",
                other.name
            ));
        }
        tokens.push(token);
    }
    ApiConfig {
        listen,
        metrics_listen,
        tls: raw.tls,
        tokens,
        requests_per_minute,
        body_limit: usize::try_from(raw.body_limit).unwrap_or(usize::MAX),
        timeout,
        plan_timeout,
    }
}

fn check_token(key: &str, raw: RawToken, problems: &mut Vec<String>) -> Option<Token> {
    let n_problems = problems.len();
    if raw.name.is_empty() {
        problems.push(format!("{key}.name: it is empty; name who uses the token"));
    }
    for (field, bound) in [
        ("organization", &raw.organization),
        ("workspace", &raw.workspace),
    ] {
        if bound.as_deref() == Some("") {
            problems.push(format!(
                "{key}.{field}: it is empty; name one, or leave it out for a token that is bound to nobody"
            ));
        }
    }
    let text = match (raw.sha256, raw.sha256_file) {
        (Some(text), None) => Some(text),
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                problems.push(format!(
                    "{key}.sha256_file: cannot read {}: {error}",
                    file.display()
                ));
                None
            }
        },
        _ => {
            problems.push(format!(
                "{key}: give either sha256 or sha256_file; `ebbtide token` makes a token and its hash"
            ));
            None
        }
    };
    let hash = text.and_then(|text| {
        let hash = hash(&text);
        if hash.is_none() {
            problems.push(format!(
                "{key}.sha256: this is no SHA-256, 64 hexadecimal digits; `ebbtide token` makes a \
                 token and its hash"
            ));
        }
        hash
    });
    let tenant = match (raw.organization, raw.workspace) {
        (None, None) => Tenant::All,
        (Some(name), None) => Tenant::Organization(name.into()),
        (None, Some(name)) => Tenant::Workspace(name.into()),
        (Some(_), Some(_)) => {
            problems.push(format!(
                "{key}: organization and workspace exclude each other; a token is bound to one"
            ));
            Tenant::All
        }
    };
    let name: Arc<str> = raw.name.into();
    (problems.len() == n_problems).then_some(())?;
    Some(Token {
        name,
        sha256: hash?,
        role: raw.role,
        tenant,
    })
}

fn hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}
