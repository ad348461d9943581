//! Rules: what a person set. Every value is checked on construction, so that no later stage meets
//! an impossible retention.
//!
//! Invariant: a [`Retention`] in hand is either unlimited or a whole number of days between the
//! configured floor and [`Days::MAX`].

mod retention;
mod set;
mod yaml;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use retention::{Days, Periods, Retention, RetentionError};
pub use set::{RuleSet, RuleSetError};
pub use yaml::{RuleEntry, RuleFileError, RuleProblem, RuleReader};

/// The number of a rule in the ledger; unique for ever, never used again.
pub type RuleId = u64;

/// What a rule applies to. Names are arbitrary text: nothing is trimmed, folded or normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every workspace that the directory places in this organization.
    Organization(Arc<str>),
    /// One workspace.
    Workspace(Arc<str>),
    /// One project of one workspace; the rest of the workspace is not touched by the rule.
    Project {
        /// The workspace the project belongs to.
        workspace: Arc<str>,
        /// The project.
        project: Arc<str>,
    },
}

impl Scope {
    /// The word for this kind of scope: `organization`, `workspace` or `project`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::Workspace(_) => "workspace",
            Self::Project { .. } => "project",
        }
    }

    /// A digest that is equal exactly for equal scopes, whatever collation or length limit a
    /// database has: SHA-256 over the kind and the length-prefixed names.
    ///
    /// ```
    /// use ebbtide::Scope;
    /// let a = Scope::Workspace("w1".into());
    /// assert_ne!(a.key(), Scope::Workspace("W1".into()).key());
    /// assert_ne!(a.key(), Scope::Organization("w1".into()).key());
    /// ```
    pub fn key(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        self.feed(&mut hasher);
        hasher.finalize().into()
    }

    /// Feeds the kind and the length-prefixed names.
    fn feed(&self, hasher: &mut Sha256) {
        let mut part = |text: &str| {
            hasher.update(text.len().to_string());
            hasher.update(b":");
            hasher.update(text);
        };
        part(self.kind());
        match self {
            Self::Organization(name) | Self::Workspace(name) => part(name),
            Self::Project { workspace, project } => {
                part(workspace);
                part(project);
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(name) => write!(f, "organization {name:?}"),
            Self::Workspace(name) => write!(f, "workspace {name:?}"),
            Self::Project { workspace, project } => {
                write!(f, "project {project:?} of workspace {workspace:?}")
            }
        }
    }
}

/// An active rule, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number in the ledger.
    pub id: RuleId,
    /// What it applies to.
    pub scope: Scope,
    /// How long rows are kept.
    pub retention: Retention,
    /// Whether rows from before the rule's creation follow it too.
    pub apply_to_past: bool,
    /// When it was created; the lower bound where `apply_to_past` is false.
    pub created_at: Timestamp,
}
