//! The base: the rules and targets that must agree with those of now before anything is deleted. What
//! was promised at the revision that was approved, or that has been armed for long enough, and at any
//! later one: a promise that was taken back again was still given.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::settings::Settings;
use super::{Engine, EngineError, Rulebook};
use crate::config::ApprovalMode;
use crate::ledger::{NewRule, RuleRecord};
use crate::plan::Base;
use crate::resolve::{History, Policies, resolve};
use crate::rule::{Retention, Rule, RuleSet, Scope};
use crate::target::{Reach, TargetChange};

/// What must agree with the rules of now before anything is deleted.
#[derive(Debug)]
pub enum BaseBook {
    /// Nothing: they act at once.
    NotNeeded,
    /// Nothing was approved, or armed for long enough: nothing may be deleted.
    Missing,
    /// A revision since which all rules agree with those of now.
    Same {
        /// The revision.
        revision: u64,
        /// What of the targets reaches further now.
        changes: Vec<TargetChange>,
    },
    /// An earlier revision, since which something else was promised.
    Earlier {
        /// The revision.
        revision: u64,
        /// Rules that expire what was expired at it and at every revision since.
        rules: RuleSet,
        /// The same where no rule ever held.
        default: Retention,
        /// What of the targets reaches further now.
        changes: Vec<TargetChange>,
    },
}

impl BaseBook {
    /// What was promised to whom, where that differs from now. Moves in the directory act at once.
    pub fn policies<'a>(&'a self, rulebook: &'a Rulebook) -> Option<Policies<'a>> {
        match self {
            Self::Earlier { rules, default, .. } => {
                Some(resolve(rules, &rulebook.directory, default))
            }
            Self::NotNeeded | Self::Missing | Self::Same { .. } => None,
        }
    }

    /// In the planner's form, with what [`BaseBook::policies`] returned.
    pub fn as_base<'a>(&'a self, policies: Option<&'a Policies<'a>>) -> Base<'a> {
        match self {
            Self::NotNeeded => Base::NotNeeded,
            Self::Missing => Base::Missing,
            Self::Same { revision, .. } | Self::Earlier { revision, .. } => Base::At {
                revision: *revision,
                policies,
                changes: self.changes(),
            },
        }
    }

    /// What of the targets reaches further than it did: rows there wait.
    pub fn changes(&self) -> &[TargetChange] {
        match self {
            Self::NotNeeded | Self::Missing => &[],
            Self::Same { changes, .. } | Self::Earlier { changes, .. } => changes,
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
        let span = revision..rulebook.revision.saturating_add(1);
        // Without the settings nobody knows what the rules meant.
        let Some(meanings) = self.meanings(&span).await? else {
            return Ok(BaseBook::Missing);
        };
        let changes = self.beyond(&meanings);
        let mut settings = meanings.iter().map(|(_, settings)| settings);
        let is_same = settings.all(|settings| settings.means_the_same(&self.settings));
        if is_same && revision == rulebook.revision {
            return Ok(BaseBook::Same { revision, changes });
        }
        let (rules, default) = self.promised(span, &meanings, rulebook).await?;
        let of_organization = |rule: &Rule| matches!(rule.scope, Scope::Organization(_));
        if self.directory.is_some()
            && rulebook.directory.is_empty()
            && rules.iter().any(of_organization)
        {
            return Err(EngineError::EmptyDirectory);
        }
        if default.days() == self.default.days() && rules.digest() == rulebook.rules.digest() {
            return Ok(BaseBook::Same { revision, changes });
        }
        Ok(BaseBook::Earlier {
            revision,
            rules,
            default,
            changes,
        })
    }

    /// Whether a base lets nothing go from any table, whatever the rules say: nothing was approved or
    /// armed for long enough, or every target reaches further.
    pub fn is_stopped_by(&self, base: &BaseBook) -> bool {
        let waits = |shard: &str, table: &str| {
            let mut changes = base.changes().iter();
            changes.any(|change| change.concerns(shard, table))
        };
        let mut shards = self.warehouse.shards().iter();
        matches!(base, BaseBook::Missing)
            || shards.all(|shard| {
                let mut targets = self.targets.iter();
                targets.all(|target| waits(shard.name(), &target.table))
            })
    }

    /// What of the targets reaches further than it did at a base, or at any revision since; nothing
    /// where that cannot be known.
    pub(super) async fn target_changes(
        &self,
        base: u64,
    ) -> Result<Option<Vec<TargetChange>>, EngineError> {
        let last = self.ledger.revision().await?;
        let meanings = self
            .meanings(&(base.min(last)..last.saturating_add(1)))
            .await?;
        Ok(meanings.map(|meanings| self.beyond(&meanings)))
    }

    /// What of the targets of now reaches further than those of some settings did.
    fn beyond(&self, meanings: &[(Range<u64>, Settings)]) -> Vec<TargetChange> {
        let reaches: Vec<&Reach> = meanings.iter().map(|(_, noted)| &noted.reach).collect();
        let split = reaches.split_first();
        split.map_or_else(Vec::new, |(base, later)| {
            self.settings.reach.changes_since(base, later)
        })
    }

    /// The settings of some revisions, or nothing where those of one cannot be known.
    async fn meanings(
        &self,
        span: &Range<u64>,
    ) -> Result<Option<Vec<(Range<u64>, Settings)>>, EngineError> {
        let last = span.end.saturating_sub(1);
        let noted = self.ledger.settings_within(span.start, last).await?;
        let until = noted.iter().skip(1).map(|(since, _)| *since);
        let until: Vec<u64> = until.chain([span.end]).collect();
        let meanings = noted.iter().zip(until).map(|((since, text), until)| {
            let held = (*since).max(span.start)..until;
            Some((held, Settings::parse(text)?))
        });
        let meanings: Option<Vec<_>> = meanings.collect();
        Ok(meanings.filter(|meanings| !meanings.is_empty()))
    }

    /// What was promised at every revision of a span.
    async fn promised(
        &self,
        span: Range<u64>,
        meanings: &[(Range<u64>, Settings)],
        rulebook: &Rulebook,
    ) -> Result<(RuleSet, Retention), EngineError> {
        let of_default = |(held, settings): &(Range<u64>, Settings)| {
            (held.clone(), settings.default_retention())
        };
        let defaults = meanings.iter().map(of_default).collect();
        let last = span.end.saturating_sub(1);
        let first = span.start;
        let mut history = History::new(span, defaults);
        let mut visit = |(record, held): (RuleRecord, Range<u64>)| {
            for (held, retention) in retentions(&record.rule, &held, meanings) {
                let rule = Rule {
                    id: record.id,
                    scope: record.rule.scope.clone(),
                    retention,
                    apply_to_past: record.rule.apply_to_past,
                    created_at: record.rule.created_at,
                };
                history.push(rule, held);
            }
        };
        self.ledger
            .each_rule_within(first, last, &mut visit)
            .await?;
        Ok(history.agreed(&rulebook.directory)?)
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

/// What a rule meant, and when: a period of that name may have had several lengths.
fn retentions(
    rule: &NewRule,
    held: &Range<u64>,
    meanings: &[(Range<u64>, Settings)],
) -> Vec<(Range<u64>, Retention)> {
    let mut retentions: Vec<(Range<u64>, Retention)> = Vec::with_capacity(1);
    for (valid, settings) in meanings {
        let both = held.start.max(valid.start)..held.end.min(valid.end);
        let retention = settings.retention(&rule.retention);
        match retentions.last_mut() {
            _ if both.is_empty() => {}
            Some((before, same)) if *same == retention => before.end = both.end,
            _ => retentions.push((both, retention)),
        }
    }
    retentions
}
