//! From what a person wrote to what the program needs: every value that makes no sense, at once.

mod retention;
mod secret;
mod servers;

use std::time::Duration;

use self::retention::{check_budget, check_limits, check_retention};
use self::secret::secret;
pub(super) use self::secret::secret_in;
use self::servers::{check_shards, check_urls};
use super::pace::check_pace;
use super::raw::RawConfig;
use super::reclaim::check_reclaim;
use super::sidecar::{check_api, check_serve, check_slots, check_traces, days};
use super::{Config, DatabaseConfig, DirectoryConfig};
use crate::plan::Limits;
use crate::target::Target;

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
