//! Rules on their way into the ledger and out of it.

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::{Author, LedgerError};
use crate::rule::{RuleEntry, RuleId, Scope};

/// The ledger, as far as it is about rules.
#[async_trait]
pub trait RuleLedger: Send + Sync {
    /// Creates a rule and replaces the active one of its scope, if any, in one transaction.
    async fn create_rule(&self, rule: &NewRule, by: Author<'_>)
    -> Result<CreatedRule, LedgerError>;
    /// Creates many rules in one transaction: all of them, or none if the iterator yields an
    /// error (its text is returned in [`LedgerError::Aborted`]). A rule replaces the active one of
    /// its scope, which is deactivated at `now`; but an active one with the same retention, the same
    /// `apply_to_past` and no other stated creation is left alone, so that importing a file twice
    /// changes nothing and moves no `min_id`.
    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError>;
    /// Deactivates a rule; the row stays.
    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Streams rules ordered by id: the active ones, or the whole history.
    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError>;
    /// Streams the rules that were active at a revision, ordered by id, as the ledger holds them now:
    /// one that was deactivated later says so.
    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError>;
    /// Streams the rules that were active at any revision from `first` to `last`, ordered by id, with
    /// the revisions at which they were; one that is active has no end.
    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError>;
    /// Up to `limit` rules after an id, in order: the active ones, or the whole history.
    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError>;
    /// The rules of a page of numbers, in their order, active or not.
    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError>;
    /// One rule, active or not.
    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError>;
}

/// A rule to be created; checked by the caller against the config's periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it applies to.
    pub scope: Scope,
    /// `unlimited`, the name of a period, or a custom `7d`, as a person wrote it.
    pub retention: String,
    /// Whether rows from before its creation follow it too.
    pub apply_to_past: bool,
    /// When it was created; bounds what it deletes if it does not apply to the past. Kept to the
    /// microsecond. The rule it replaces is deactivated at this instant.
    pub created_at: Timestamp,
}

/// A rule to be imported; checked by the caller against the config's periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRule {
    /// What it applies to.
    pub scope: Scope,
    /// `unlimited`, the name of a period, or a custom `7d`, as a person wrote it.
    pub retention: String,
    /// Whether rows from before its creation follow it too.
    pub apply_to_past: bool,
    /// When it was created, if the file says so; otherwise a new rule is created now, and an
    /// active one that is alike keeps its own instant.
    pub created_at: Option<Timestamp>,
}

impl From<RuleEntry> for ImportRule {
    fn from(entry: RuleEntry) -> Self {
        Self {
            scope: entry.scope,
            retention: entry.retention.to_string(),
            apply_to_past: entry.apply_to_past,
            created_at: entry.created_at,
        }
    }
}

/// A rule as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRecord {
    /// Its number.
    pub id: RuleId,
    /// What a person set.
    pub rule: NewRule,
    /// Who created it.
    pub created_by: String,
    /// When and by whom it was deactivated, if it was.
    pub deactivated: Option<(Timestamp, String)>,
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CreatedRule {
    /// The new rule.
    pub id: RuleId,
    /// The rule of the same scope that it replaced.
    pub replaced: Option<RuleId>,
    /// Whether the same request created it before; nothing was changed now.
    pub is_repeated: bool,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ImportedRules {
    /// Rules created.
    pub n_created: u64,
    /// Of these, rules that replaced an active one of the same scope.
    pub n_replaced: u64,
    /// Rules of the file that were active already, exactly alike; they were left alone.
    pub n_unchanged: u64,
}

/// What became of a deactivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deactivation {
    /// The rule was active and no longer is.
    Done,
    /// It was inactive already.
    AlreadyInactive,
    /// There is no such rule.
    NotFound,
}
