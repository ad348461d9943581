//! From what a person wrote to what the program needs: every value that makes no sense, at once.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::pace::check_pace;
use super::raw::{RawBudget, RawConfig, RawPlan, RawRetention};
use super::reclaim::check_reclaim;
use super::sidecar::{check_api, check_serve, check_slots, check_traces, days};
use super::{Config, DatabaseConfig, DirectoryConfig};
use crate::plan::{Budget, Limits};
use crate::rule::{Days, Periods, Retention};
use crate::target::Target;
use crate::warehouse::ShardOptions;

/// The one conversion from what was written to what is needed.
pub(super) fn check(raw: RawConfig, problems: &mut Vec<String>) -> Option<Config> {
    if raw.version != 1 {
        problems.push(format!(
            "version: {} is unknown; this version reads version 1",
            raw.version
        ));
    }
    let without_effect = raw.without_effect();
    check_urls(&raw, problems);
    let shards = check_shards(&raw, problems);
    let serve = check_serve(&raw, problems);
    let slots_per_day = check_slots(&raw.retention, problems);
    let armed_for = days("retention.armed_for", &raw.retention.armed_for, problems);
    let ledger = DatabaseConfig {
        url: raw.ledger.url,
        password: secret(
            "ledger",
            raw.ledger.password_env.as_deref(),
            raw.ledger.password_file.as_deref(),
            problems,
        ),
        password_file: raw.ledger.password_file,
    };
    let directory = raw.directory.map(|directory| DirectoryConfig {
        database: DatabaseConfig {
            url: directory.url,
            password: secret(
                "directory",
                directory.password_env.as_deref(),
                directory.password_file.as_deref(),
                problems,
            ),
            password_file: directory.password_file,
        },
        query: directory.query,
    });
    let retention = check_retention(&raw.retention, problems);
    let max_share = raw.retention.max_share_of_table;
    if !(max_share > 0.0 && max_share <= 1.0) {
        problems.push(format!(
            "retention.max_share_of_table: {max_share} is no share; write a number above 0 and at most 1"
        ));
    }
    let pace = check_pace(&raw.pace, raw.plan.rows_per_step, problems);
    let reclaim = check_reclaim(&raw.reclaim, &raw.pace, problems);
    check_limits(&raw.plan, problems);
    let budget = check_budget(&raw.retention.budget, problems);
    check_targets(&raw.targets, problems);
    check_unmanaged(&raw.unmanaged, &raw.targets, problems);
    let api = check_api(raw.api, problems);
    let traces = check_traces(raw.telemetry, problems);
    let (periods, default_retention) = retention?;
    Some(Config {
        shards,
        ledger,
        directory,
        default_retention,
        periods,
        enabled: raw.retention.enabled,
        approval: raw.retention.approval,
        armed_for,
        slots_per_day,
        serve,
        api,
        log_format: raw.log.format,
        traces,
        limits: Limits {
            workspaces_per_statement: usize::try_from(raw.plan.workspaces_per_statement)
                .unwrap_or(usize::MAX),
            statement_bytes: usize::try_from(raw.plan.statement_bytes).unwrap_or(usize::MAX),
            rows_per_step: raw.plan.rows_per_step,
            max_share_of_table: max_share,
            budget,
        },
        pace,
        reclaim,
        targets: raw.targets,
        unmanaged: raw.unmanaged,
        without_effect,
    })
}

fn check_urls(raw: &RawConfig, problems: &mut Vec<String>) {
    if !["sqlite://", "mysql://"]
        .iter()
        .any(|scheme| raw.ledger.url.starts_with(scheme))
    {
        problems.push(
            "ledger.url: this is no ledger; write sqlite://ebbtide.db or \
             mysql://user@host:3306/database"
                .into(),
        );
    }
    if raw
        .directory
        .as_ref()
        .is_some_and(|directory| !directory.url.starts_with("mysql://"))
    {
        problems.push(
            "directory.url: only MySQL can be asked; write mysql://user@host:3306/database".into(),
        );
    }
}

fn check_shards(raw: &RawConfig, problems: &mut Vec<String>) -> Vec<ShardOptions> {
    let clickhouse = &raw.clickhouse;
    let password = secret(
        "clickhouse",
        clickhouse.password_env.as_deref(),
        clickhouse.password_file.as_deref(),
        problems,
    );
    let probe_timeout = duration(
        "clickhouse.probe_timeout",
        &clickhouse.probe_timeout,
        problems,
    );
    let statement_timeout = duration(
        "clickhouse.statement_timeout",
        &clickhouse.statement_timeout,
        problems,
    );
    let settle_timeout = duration(
        "clickhouse.settle_timeout",
        &clickhouse.settle_timeout,
        problems,
    );
    if clickhouse.shards.is_empty() {
        problems.push("clickhouse.shards: there is none; name at least one url".into());
    }
    if clickhouse.probe_threads == 0 {
        problems.push("clickhouse.probe_threads: 0 means all of them; write at least 1".into());
    }
    if clickhouse.probe_concurrency == 0 {
        problems.push("clickhouse.probe_concurrency: 0 counts nothing; write at least 1".into());
    }
    let mut seen: Vec<String> = Vec::new();
    for (index, shard) in clickhouse.shards.iter().enumerate() {
        let key = format!("clickhouse.shards[{index}].url");
        match url::Url::parse(&shard.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if url.query().is_some() || url.fragment().is_some() {
                    problems.push(format!(
                        "{key}: leave out what follows ? or #; it would be ignored"
                    ));
                }
                // Without user and password, as a shard is named everywhere.
                let host = url.host_str().unwrap_or_default();
                let name = format!("{host}:{:?}{}", url.port_or_known_default(), url.path());
                if seen.contains(&name) {
                    problems.push(format!(
                        "{key}: this shard is named before; remove one of the two"
                    ));
                }
                seen.push(name);
            }
            _ => problems.push(format!(
                // Not the address itself: it may hold a password.
                "{key}: this is no address of ClickHouse's HTTP interface; write http://host:8123 \
                 or https://host:8443"
            )),
        }
    }
    let shard = |url: &str| ShardOptions {
        url: url.to_owned(),
        database: clickhouse.database.clone(),
        user: clickhouse.user.clone(),
        password: password.clone(),
        ca_file: clickhouse.ca_file.clone(),
        compression: clickhouse.compression,
        probe_timeout,
        probe_threads: clickhouse.probe_threads,
        probe_rows: clickhouse.probe_rows,
        probe_concurrency: clickhouse.probe_concurrency,
        statement_timeout,
        settle_timeout,
        workload: raw.pace.workload.clone(),
    };
    clickhouse
        .shards
        .iter()
        .map(|raw| shard(&raw.url))
        .collect()
}

fn check_retention(raw: &RawRetention, problems: &mut Vec<String>) -> Option<(Periods, Retention)> {
    let floor = Days::parse(&raw.floor)
        .map_err(|error| problems.push(format!("retention.floor: {error}")))
        .ok()?;
    let mut named = Vec::new();
    for (name, text) in &raw.periods {
        // Each by itself, so that every one that is wrong is named.
        let checked = Days::parse(text)
            .and_then(|days| Periods::new([(name.as_str(), days)], floor).map(|_| days));
        match checked {
            Ok(days) => named.push((name.as_str(), days)),
            Err(error) => problems.push(format!("retention.periods.{name}: {error}")),
        }
    }
    let periods = Periods::new(named, floor)
        .map_err(|error| problems.push(format!("retention.periods: {error}")))
        .ok()?;
    let default = periods
        .retention(&raw.default)
        .map_err(|error| problems.push(format!("retention.default: {error}")))
        .ok()?;
    Some((periods, default))
}

pub(super) fn duration(key: &str, text: &str, problems: &mut Vec<String>) -> Duration {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let length = parsed.and_then(|duration| Duration::try_from(duration).ok());
    length
        .filter(|length| !length.is_zero())
        .unwrap_or_else(|| {
            problems.push(format!(
                "{key}: {text:?} is no length of time; write 30s, 10m or 2h"
            ));
            Duration::ZERO
        })
}

fn check_budget(budget: &RawBudget, problems: &mut Vec<String>) -> Budget {
    for (key, value) in [
        ("retention.budget.rows", budget.rows),
        ("retention.budget.statements", budget.statements),
    ] {
        if value == 0 {
            problems.push(format!("{key}: 0 would stop everything; write at least 1"));
        }
    }
    Budget {
        rows: budget.rows,
        statements: usize::try_from(budget.statements).unwrap_or(usize::MAX),
        time: duration("retention.budget.time", &budget.time, problems),
    }
}

fn check_limits(plan: &RawPlan, problems: &mut Vec<String>) {
    let mut positive = |key: &str, value: u64| {
        if value == 0 {
            problems.push(format!("{key}: 0 would stop everything; write at least 1"));
        }
    };
    positive(
        "plan.workspaces_per_statement",
        plan.workspaces_per_statement,
    );
    positive("plan.rows_per_step", plan.rows_per_step);
    if !(16_384..=250_000).contains(&plan.statement_bytes) {
        problems.push(format!(
            "plan.statement_bytes: {} is outside 16384 to 250000 (the server's max_query_size is 262144)",
            plan.statement_bytes
        ));
    }
}

fn check_targets(targets: &[Target], problems: &mut Vec<String>) {
    if targets.is_empty() {
        problems.push("targets: there is none; name at least one table".into());
    }
    for (index, target) in targets.iter().enumerate() {
        if targets
            .iter()
            .take(index)
            .any(|other| other.table == target.table)
        {
            problems.push(format!(
                "targets[{index}]: table {} is named twice; one table has one age and one target",
                target.table
            ));
        }
    }
}

fn check_unmanaged(unmanaged: &[String], targets: &[Target], problems: &mut Vec<String>) {
    for (index, name) in unmanaged.iter().enumerate() {
        if targets.iter().any(|target| target.table == *name) {
            problems.push(format!(
                "unmanaged[{index}]: table {name} is a target; a table is one or the other"
            ));
        }
        if unmanaged.iter().take(index).any(|other| other == name) {
            problems.push(format!("unmanaged[{index}]: table {name} is named twice"));
        }
    }
}

/// Reads a secret where the configuration says it is. A variable that is not set means none.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that may read the environment"
)]
fn secret(
    section: &str,
    variable: Option<&str>,
    file: Option<&Path>,
    problems: &mut Vec<String>,
) -> Option<SecretString> {
    match (variable, file) {
        (Some(_), Some(_)) => {
            problems.push(format!(
                "{section}: password_env and password_file exclude each other"
            ));
            None
        }
        (Some(variable), None) => std::env::var(variable).ok().map(SecretString::from),
        (None, Some(file)) => match secret_in(file) {
            Ok(secret) => Some(secret),
            Err(error) => {
                problems.push(format!(
                    "{section}.password_file: cannot read {}: {error}",
                    file.display()
                ));
                None
            }
        },
        (None, None) => None,
    }
}

/// The secret in a file; the end of its line is none of it.
pub(super) fn secret_in(file: &Path) -> std::io::Result<SecretString> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
