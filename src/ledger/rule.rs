//! Rules on their way into the ledger and out of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::rule::{RuleEntry, RuleId, Scope};

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
