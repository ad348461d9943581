//! What most verbs begin with: configuration, ledger, engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;

use super::{Format, progress};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::engine::Engine;
use crate::ledger::{Ledger, connect_ledger};

/// The surroundings of a verb.
pub(super) struct Context {
    path: PathBuf,
    pub(super) format: Format,
    pub(super) clock: Arc<dyn Clock>,
}

impl Context {
    pub(super) fn new(path: &Path, format: Format) -> Self {
        Self {
            path: path.to_owned(),
            format,
            clock: Arc::new(SystemClock),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration; warns about what it says in vain.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let config = Config::load(&self.path)?;
        for key in &config.without_effect {
            progress::warn(&format!(
                "{key} is set, but this version does not act on it yet"
            ));
        }
        Ok(config)
    }

    /// The ledger, migrated or not.
    pub(super) async fn raw_ledger(&self, config: &Config) -> anyhow::Result<Arc<dyn Ledger>> {
        Ok(connect_ledger(&config.ledger.url, config.ledger.password.clone()).await?)
    }

    /// The ledger, with the schema that this version knows.
    pub(super) async fn ledger(&self, config: &Config) -> anyhow::Result<Arc<dyn Ledger>> {
        let ledger = self.raw_ledger(config).await?;
        ledger.check_schema().await?;
        Ok(ledger)
    }

    /// An engine that reports its progress.
    pub(super) async fn engine(&self, config: &Config) -> anyhow::Result<Engine> {
        let ledger = self.ledger(config).await?;
        self.engine_on(config, ledger)
    }

    /// The same on a ledger that is connected.
    pub(super) fn engine_on(
        &self,
        config: &Config,
        ledger: Arc<dyn Ledger>,
    ) -> anyhow::Result<Engine> {
        let engine = Engine::new(config, ledger, Arc::clone(&self.clock))?;
        Ok(engine.observed_by(progress::observer(self.format)))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Who changes something: the name of the user, as far as the system says.
pub(super) fn user_name() -> String {
    crate::config::user_name()
}

/// Who holds the lease while a person's command deletes: it must differ from every other process.
pub(super) fn holder() -> String {
    let (host, process, chance) = (host(), std::process::id(), chance());
    format!("{}@{host}, process {process}-{chance}", user_name())
}

/// The name of a sidecar, which also holds its lease.
pub(super) fn instance() -> String {
    format!("{}-{}-{}", host(), std::process::id(), chance())
}

fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// A few letters by chance: the names of hosts and the numbers of processes repeat in containers.
fn chance() -> String {
    let mut letters = uuid::Uuid::new_v4().simple().to_string();
    letters.truncate(6);
    letters
}

/// Reads an instant: RFC 3339, or a day, which means its first instant in UTC.
pub(super) fn parse_instant(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return Ok(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp());
    }
    text.parse().with_context(|| {
        format!("{text:?} is no instant; write 2026-11-21 or 2026-11-21T10:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_host_and_process_number_have_different_names() {
        assert_ne!(holder(), holder());
        assert_ne!(instance(), instance());
    }
}
