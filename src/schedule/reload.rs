//! Reading the configuration again while the sidecar runs.

use crate::config::Config;

/// Settings that differ and need a restart: sockets are bound, and the ledger holds the lease.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, is) = (&old.api, &new.api);
    [
        ("ledger.url", old.ledger.url != new.ledger.url),
        ("api.listen", was.listen != is.listen),
        ("api.metrics_listen", was.metrics_listen != is.metrics_listen),
        ("api.tls", was.tls != is.tls),
        ("log.format", old.log_format != new.log_format),
        ("telemetry.otlp_endpoint", old.traces != new.traces),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "targets: [{table: traces, workspace: w, age: {uuid_v7: id}}]\n";

    fn check(old: &str, new: &str, expected: &[&str]) {
        let read = |text: &str| Config::parse(&format!("version: 1\n{TARGETS}{text}\n")).unwrap();
        assert_eq!(needs_restart(&read(old), &read(new)), expected, "{old} → {new}");
    }

    #[test]
    fn what_needs_a_restart_is_named_and_nothing_else() {
        check("", "retention: {floor: 2d, enabled: true}", &[]);
        check("", "serve: {lease: 10s}", &[]);
        check("", "ledger: {url: \"sqlite://b.db\"}", &["ledger.url"]);
        check(
            "",
            "api: {listen: \"127.0.0.1:1\", tls: {certificate_file: a, key_file: b}}",
            &["api.listen", "api.tls"],
        );
        check(
            "api: {metrics_listen: \"127.0.0.1:1\"}",
            "log: {format: json}",
            &["api.metrics_listen", "log.format"],
        );
    }
}
