//! What a file of rules says, and what is wrong with it where.

use granit_parser::Marker;
use jiff::Timestamp;

use crate::rule::{Retention, Scope};

/// One rule of a file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEntry {
    /// The line it begins on, from 1.
    pub line: usize,
    /// What it applies to.
    pub scope: Scope,
    /// How long rows are kept.
    pub retention: Retention,
    /// Whether rows from before the rule's creation follow it too (default: true).
    pub apply_to_past: bool,
    /// When it was created, if the file says so.
    pub created_at: Option<Timestamp>,
}

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RuleProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Everything that is wrong with a file of rules.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct RuleFileError {
    /// The problems, in the order of the file.
    pub problems: Vec<RuleProblem>,
}

/// A place in the file; line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

impl Place {
    pub(super) fn problem(self, message: impl Into<String>) -> RuleProblem {
        RuleProblem {
            line: self.line,
            column: self.column,
            message: message.into(),
        }
    }
}
