//! A YAML list of rules, read as a stream.

use std::io::Read;

use jiff::Timestamp;

use super::{Periods, Retention, Scope};

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

/// Iterates over the rules of a YAML list without holding it in memory.
pub struct RuleReader<'p> {
    _periods: &'p Periods,
}

impl<'p> RuleReader<'p> {
    /// Reads UTF-8 YAML from `input`.
    pub fn new(_input: impl Read, periods: &'p Periods) -> Self {
        Self { _periods: periods }
    }
}

impl Iterator for RuleReader<'_> {
    type Item = Result<RuleEntry, RuleProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
