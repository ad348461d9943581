//! The settings that give rules their meaning: the default and the named periods. They are noted
//! in the ledger, so that the rules of an earlier revision keep the meaning that they had.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::rule::{Days, Periods, Retention};

/// As canonical JSON in the ledger: keys in order, lengths in days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    default: Option<Days>,
    periods: BTreeMap<String, Days>,
}

impl Settings {
    pub(super) fn new(default: &Retention, periods: &Periods) -> Self {
        Self {
            default: default.days(),
            periods: periods
                .named()
                .map(|(name, days)| (name.to_string(), days))
                .collect(),
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
