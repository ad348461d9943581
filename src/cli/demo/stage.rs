//! Everything that a chapter of the demo works with: a directory, a ledger and an engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tempfile::TempDir;

use super::{Demo, sample};
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::{Ledger, connect_ledger};

/// The sample configuration; the demo changes only the two addresses in it.
const CONFIG: &str = include_str!("../../../config.yml");
const SAMPLE_CLICKHOUSE: &str = "\"http://127.0.0.1:8123\"";
const SAMPLE_LEDGER: &str = "sqlite://ebbtide.db";

/// Where the demo works.
pub(super) struct Place {
    path: PathBuf,
    /// Removed with everything in it when it is dropped.
    temporary: Option<TempDir>,
}

impl Place {
    /// Looks whether the directory that was named can be used, before anything else is done.
    pub(super) fn check(args: &Demo) -> anyhow::Result<()> {
        let Some(path) = args.dir.as_deref().filter(|path| path.exists()) else {
            return Ok(());
        };
        let shown = path.display();
        let mut entries = path
            .read_dir()
            .with_context(|| format!("cannot read {shown}; name a new directory with --dir"))?;
        if entries.next().is_some() {
            bail!("{shown} is not empty; name a new directory with --dir");
        }
        Ok(())
    }

    pub(super) fn create(args: &Demo) -> anyhow::Result<Self> {
        if let Some(path) = &args.dir {
            let created = std::fs::create_dir_all(path).and_then(|()| path.canonicalize());
            let path = created.with_context(|| format!("cannot create {}", path.display()))?;
            return Ok(Self {
                path,
                temporary: None,
            });
        }
        let directory = tempfile::Builder::new().prefix("ebbtide-demo-").tempdir();
        let directory =
            directory.context("cannot make a temporary directory; name one with --dir")?;
        if args.keep {
            return Ok(Self {
                path: directory.keep(),
                temporary: None,
            });
        }
        Ok(Self {
            path: directory.path().to_owned(),
            temporary: Some(directory),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn clickhouse(&self) -> PathBuf {
        self.path.join("clickhouse")
    }

    /// Whether everything stays when the demo is over.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// Puts what the other verbs need beside the ledger, where somebody will look at it later.
    pub(super) fn keep_inputs(&self, rules: &str) -> anyhow::Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        let files = [
            ("config.yml", CONFIG),
            ("rules.yml", rules),
            ("workspaces.csv", sample::WORKSPACES),
        ];
        for (name, text) in files {
            let path = self.path.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// The sample configuration, for this server and a ledger in this directory. The environment has
/// no say: what is set there may be meant for a real ledger.
pub(super) fn config(clickhouse_url: &str, directory: &Path) -> anyhow::Result<Config> {
    let quoted = |text: &str| serde_json::to_string(text);
    let ledger = directory.join("ebbtide.db");
    let ledger = ledger
        .to_str()
        .context("the directory's name is not UTF-8; use --dir")?;
    let text = CONFIG
        .replacen(SAMPLE_CLICKHOUSE, &quoted(clickhouse_url)?, 1)
        .replacen(SAMPLE_LEDGER, &quoted(&format!("sqlite://{ledger}"))?, 1);
    Ok(Config::parse(&text)?)
}

/// A new ledger.
pub(super) async fn ledger(config: &Config) -> anyhow::Result<Arc<dyn Ledger>> {
    let ledger = connect_ledger(&config.ledger.url, config.ledger.password.clone()).await?;
    ledger.migrate().await?;
    Ok(ledger)
}

/// The clock of the machine, until midnight UTC of the day that the demo began. There it stops: on
/// a new day more is due, and the second cycle would have work to do.
pub(super) struct SameDay {
    clock: Arc<dyn Clock>,
    last: Timestamp,
}

impl SameDay {
    pub(super) fn new(clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let today = clock.now().to_zoned(TimeZone::UTC).start_of_day()?;
        let last = today.checked_add(1.day())?.timestamp() - jiff::SignedDuration::from_millis(1);
        Ok(Self { clock, last })
    }
}

impl Clock for SameDay {
    fn now(&self) -> Timestamp {
        self.clock.now().min(self.last)
    }

    fn unique_id(&self) -> String {
        self.clock.unique_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn only_the_two_addresses_of_the_sample_config_are_changed() {
        for address in [SAMPLE_CLICKHOUSE, SAMPLE_LEDGER] {
            assert_eq!(CONFIG.matches(address).count(), 1, "{address}");
        }
        let config = config("http://127.0.0.1:4711", Path::new("/some dir")).unwrap();
        assert_eq!(config.shards[0].url, "http://127.0.0.1:4711");
        assert_eq!(config.ledger.url, "sqlite:///some dir/ebbtide.db");
        assert!(
            config.without_effect.is_empty(),
            "{:?}",
            config.without_effect
        );
    }

    #[test]
    fn the_demo_never_sees_midnight() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let begun = FixedClock(at("2026-11-21T23:59:50Z"));
        let mut clock = SameDay::new(Arc::new(begun)).unwrap();
        assert_eq!(clock.now(), begun.0);
        clock.clock = Arc::new(FixedClock(at("2026-11-22T00:00:10Z")));
        assert_eq!(clock.now(), at("2026-11-21T23:59:59.999Z"));
    }
}
