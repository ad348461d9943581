//! The shapes of a predicate, and which is the cheapest.

use serde::Serialize;

/// Up to so many distinct bounds are written as OR clauses, more as a lookup. On 6 M rows, 10 OR
/// clauses cost as much as one `IN`, 50 more than a lookup of 500.
pub(super) const MAX_OR_CLAUSES: usize = 10;

/// The shape of a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// All arms have the same bounds: `workspace IN (…) AND age < …`.
    In,
    /// A few bounds: one clause for each, joined by OR.
    Or,
    /// Many bounds: each workspace's are looked up with `transform`.
    Lookup,
    /// No predicate: whole partitions.
    Whole,
}

impl Shape {
    /// The cheapest shape for a number of distinct bounds.
    pub fn for_bounds(distinct: usize) -> Self {
        match distinct {
            0 | 1 => Self::In,
            2..=MAX_OR_CLAUSES => Self::Or,
            _ => Self::Lookup,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Or => "or",
            Self::Lookup => "lookup",
            Self::Whole => "whole",
        }
    }
}
