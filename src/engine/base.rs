//! The base: the rules that must agree with those of now before anything is deleted. Rules as of
//! the revision that was approved, or that has been armed for long enough.

use jiff::{SignedDuration, Timestamp};

use super::settings::Settings;
use super::{Engine, EngineError, Rulebook};
use crate::config::ApprovalMode;
use crate::ledger::RuleRecord;
use crate::plan::Base;
use crate::resolve::{Policies, resolve};
use crate::rule::{Retention, Rule, RuleSet};

/// What must agree with the rules of now before anything is deleted.
#[derive(Debug)]
pub enum BaseBook {
    /// Nothing: they act at once.
    NotNeeded,
    /// Nothing was approved, or armed for long enough: nothing may be deleted.
    Missing,
    /// A revision at which the rules meant what they mean now.
    Same {
        /// The revision.
        revision: u64,
    },
    /// The rules of an earlier revision.
    Earlier {
        /// The revision.
        revision: u64,
        /// Its rules.
        rules: RuleSet,
        /// What held where no rule did.
        default: Retention,
    },
}

impl BaseBook {
    /// What held for whom, where that differs from now. Moves in the directory act at once.
    pub fn policies<'a>(&'a self, rulebook: &'a Rulebook) -> Option<Policies<'a>> {
        match self {
            Self::Earlier { rules, default, .. } => {
                Some(resolve(rules, &rulebook.directory, default))
            }
            Self::NotNeeded | Self::Missing | Self::Same { .. } => None,
        }
    }

    /// In the planner's form, with what [`BaseBook::policies`] returned.
    pub fn as_base<'a>(&self, policies: Option<&'a Policies<'a>>) -> Base<'a> {
        match self {
            Self::NotNeeded => Base::NotNeeded,
            Self::Missing => Base::Missing,
            Self::Same { revision } | Self::Earlier { revision, .. } => Base::At {
                revision: *revision,
                policies,
            },
        }
    }
}

impl Engine {
    /// Whether anything must be approved or armed before it is deleted.
    pub(super) fn needs_base(&self) -> bool {
        self.approval == ApprovalMode::Required || !self.armed_for.is_zero()
    }

    /// The revision that may be executed: approved, and armed for long enough; the older of both.
    pub(crate) async fn base_revision(&self) -> Result<Option<u64>, EngineError> {
        let mut revision = u64::MAX;
        if self.approval == ApprovalMode::Required {
            match self.ledger.approved_revision().await? {
                Some(approved) => revision = revision.min(approved),
                None => return Ok(None),
            }
        }
        if !self.armed_for.is_zero() {
            let at = self.ledger.now().await? - self.armed_for();
            match self.ledger.revision_at(at).await? {
                Some(armed) => revision = revision.min(armed),
                None => return Ok(None),
            }
        }
        Ok(Some(revision))
    }

    /// The base of a rulebook.
    ///
    /// # Errors
    /// [`EngineError`] if the ledger cannot be read.
    pub async fn base(&self, rulebook: &Rulebook) -> Result<BaseBook, EngineError> {
        if !self.needs_base() {
            return Ok(BaseBook::NotNeeded);
        }
        let Some(revision) = self.base_revision().await? else {
            return Ok(BaseBook::Missing);
        };
        let revision = revision.min(rulebook.revision);
        // Without its settings nobody knows what its rules meant.
        let settings = self.ledger.settings_at(revision).await?;
        let Some(settings) = settings.as_deref().and_then(Settings::parse) else {
            return Ok(BaseBook::Missing);
        };
        let is_same = settings == self.settings;
        if is_same && revision == rulebook.revision {
            return Ok(BaseBook::Same { revision });
        }
        let rules = self.rules_at(revision, &settings).await?;
        let default = settings.default_retention();
        if default.days() == self.default.days() && rules.digest() == rulebook.rules.digest() {
            return Ok(BaseBook::Same { revision });
        }
        Ok(BaseBook::Earlier {
            revision,
            rules,
            default,
        })
    }

    async fn rules_at(&self, revision: u64, settings: &Settings) -> Result<RuleSet, EngineError> {
        let mut rules = Vec::new();
        let mut visit = |record: RuleRecord| {
            rules.push(Rule {
                id: record.id,
                scope: record.rule.scope,
                retention: settings.retention(&record.rule.retention),
                apply_to_past: record.rule.apply_to_past,
                created_at: record.rule.created_at,
            });
        };
        self.ledger.each_rule_at(revision, &mut visit).await?;
        Ok(RuleSet::new(rules)?)
    }

    /// When the rules of a revision will have been armed for long enough, at the latest; nothing
    /// where they need not be. To the second.
    ///
    /// # Errors
    /// [`EngineError`] if the ledger cannot be read.
    pub async fn armed_at(&self, revision: u64) -> Result<Option<Timestamp>, EngineError> {
        if self.armed_for.is_zero() {
            return Ok(None);
        }
        let now = self.ledger.now().await?;
        let (mut before, mut since) = (now - self.armed_for(), now);
        let has_come = async |at: Timestamp| -> Result<bool, EngineError> {
            let held = self.ledger.revision_at(at).await?;
            Ok(held.is_some_and(|held| held >= revision))
        };
        if has_come(before).await? {
            return Ok(None);
        }
        while since.duration_since(before) > SignedDuration::from_secs(1) {
            let middle = before + since.duration_since(before) / 2;
            if has_come(middle).await? {
                since = middle;
            } else {
                before = middle;
            }
        }
        Ok(Some(since + self.armed_for()))
    }

    fn armed_for(&self) -> SignedDuration {
        SignedDuration::try_from(self.armed_for).unwrap_or(SignedDuration::MAX)
    }
}
