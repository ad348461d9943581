//! The settings that decide, with the rules, which rows go: the default and the named periods, which
//! give rules their meaning, and the reach of the targets. They are noted in the ledger, so that an
//! earlier revision means what it meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::config::Config;
use crate::rule::{Days, Retention};
use crate::target::Reach;

/// As canonical JSON in the ledger: keys in order, lengths in days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    default: Option<Days>,
    periods: BTreeMap<String, Days>,
    /// Notes of versions that did not write it say too little to be understood.
    pub(super) reach: Reach,
}

impl Settings {
    /// Those of a configuration whose shards have these names.
    pub(super) fn new<'a>(config: &Config, shards: impl IntoIterator<Item = &'a str>) -> Self {
        // All shards have one.
        let database = config.shards.first().map_or("", |shard| &*shard.database);
        Self {
            default: config.default_retention.days(),
            periods: config
                .periods
                .named()
                .map(|(name, days)| (name.to_string(), days))
                .collect(),
            reach: Reach::new(database, shards, &config.targets),
        }
    }

    /// The canonical text.
    pub(super) fn text(&self) -> String {
        // A map of text and text: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether rules mean the same by both.
    pub(super) fn means_the_same(&self, other: &Self) -> bool {
        (self.default, &self.periods) == (other.default, &other.periods)
    }

    /// What held where no rule did.
    pub(super) fn default_retention(&self) -> Retention {
        self.default.map_or(Retention::Unlimited, plain)
    }

    /// What a rule meant. Where that cannot be known any more, it kept everything.
    pub(super) fn retention(&self, text: &str) -> Retention {
        let named = self.periods.get(text).copied();
        // A retention below today's floor meant what it said.
        let custom = || Days::parse(text).ok();
        named.or_else(custom).map_or(Retention::Unlimited, plain)
    }
}

fn plain(days: Days) -> Retention {
    Retention::Days { days, period: None }
}

impl Engine {
    /// Notes the settings of this configuration in the ledger, if they are not those noted last.
    /// That raises the revision, so it comes before the plan of a cycle. Returns whether it did.
    ///
    /// # Errors
    /// [`EngineError::Ledger`].
    pub async fn note_settings(&self, by: &str) -> Result<bool, EngineError> {
        self.ledger.check_schema().await?;
        let now = self.clock.now();
        Ok(self
            .ledger
            .note_settings(&self.settings.text(), by, now)
            .await?)
    }
}
