//! Addresses of servers, and how long they may take.

use super::duration;
use super::secret::secret;
use crate::config::raw::RawConfig;
use crate::warehouse::ShardOptions;

pub(super) fn check_urls(raw: &RawConfig, problems: &mut Vec<String>) {
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

pub(super) fn check_shards(raw: &RawConfig, problems: &mut Vec<String>) -> Vec<ShardOptions> {
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
        probe_groups: clickhouse.probe_groups,
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
