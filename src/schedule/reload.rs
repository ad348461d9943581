//! Reading the configuration again while the sidecar runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::{Live, Parts, tables};
use crate::config::{Config, ConfigError};
use crate::engine::EngineError;
use crate::telemetry::metric;

/// Why a configuration that was read again is not taken. The one before it stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No engine can be made from it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It changes what is only read at the start.
    #[error(
        "{} cannot change while the sidecar runs; restart it, or take the change back",
        keys.join(", ")
    )]
    Restart {
        /// The settings.
        keys: Vec<&'static str>,
    },
}

/// Reads the configuration again.
pub struct Reloader {
    parts: Parts,
    live: watch::Sender<Arc<Live>>,
    wake: Arc<Notify>,
}

impl Reloader {
    pub(super) fn new(parts: Parts, live: watch::Sender<Arc<Live>>, wake: Arc<Notify>) -> Self {
        Self { parts, live, wake }
    }

    /// Reads the configuration again, all of it or nothing. A cycle that is at work ends after its
    /// statement: what is left is planned under the new one, which may keep more.
    ///
    /// # Errors
    /// [`ReloadError`]; it is logged, counted and shown in the status as well.
    pub fn reload(&self, path: &Path) -> Result<(), ReloadError> {
        let taken = Config::load(path)
            .map_err(ReloadError::from)
            .and_then(|config| self.take(config));
        let error = taken.as_ref().err().map(ToString::to_string);
        if let Some(error) = &error {
            self.parts.metrics.add(metric::RELOAD_FAILURES, &[], 1);
            tracing::error!(
                error,
                "the configuration is refused; the one before it stays"
            );
        } else {
            tracing::info!("the configuration was read again");
        }
        self.parts.board.write(|status| status.config_error = error);
        taken
    }

    /// How long an end may wait for the statement that runs, as the configuration now says.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.live.borrow().config.serve.shutdown_timeout
    }

    fn take(&self, config: Config) -> Result<(), ReloadError> {
        let keys = needs_restart(&self.live.borrow().config, &config);
        if !keys.is_empty() {
            return Err(ReloadError::Restart { keys });
        }
        let old = Arc::clone(&self.live.borrow());
        let live = self.parts.live(config)?;
        self.parts
            .board
            .retarget(tables(&live.config).map(str::to_owned));
        let stays = |table: &&str| tables(&live.config).any(|other| other == *table);
        let gone = tables(&old.config).filter(|table| !stays(table));
        self.parts.metrics.forget_tables(gone);
        self.live.send_replace(live).replaced.cancel();
        self.wake.notify_one();
        Ok(())
    }
}

/// Settings that differ and need a restart: sockets are bound, and the ledger holds the lease.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, is) = (&old.api, &new.api);
    [
        ("ledger.url", old.ledger.url != new.ledger.url),
        ("api.listen", was.listen != is.listen),
        (
            "api.metrics_listen",
            was.metrics_listen != is.metrics_listen,
        ),
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
        assert_eq!(
            needs_restart(&read(old), &read(new)),
            expected,
            "{old} → {new}"
        );
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
