//! Verification: what a count after a delete means.
//!
//! Invariant: nothing but a count of zero under the same predicate is called verified.

use serde::Serialize;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing expired is left.
    Verified,
    /// Expired rows are left: they arrived late, or the delete took only a part. The next cycle
    /// takes them.
    Incomplete {
        /// How many.
        n_left: u64,
    },
    /// What is left could not be counted.
    Unknown,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Incomplete { .. } => "incomplete",
            Self::Unknown => "unknown",
        }
    }
}

/// Judges a step by the rows left under its own predicate.
///
/// ```
/// use ebbtide::{Verdict, judge};
/// assert_eq!(judge(Some(0)), Verdict::Verified);
/// assert_eq!(judge(Some(3)), Verdict::Incomplete { n_left: 3 });
/// assert_eq!(judge(None), Verdict::Unknown);
/// ```
pub fn judge(n_left: Option<u64>) -> Verdict {
    match n_left {
        Some(0) => Verdict::Verified,
        Some(n_left) => Verdict::Incomplete { n_left },
        None => Verdict::Unknown,
    }
}
