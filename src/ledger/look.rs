//! Looks: what a plan or a cycle saw last of a share of the workspaces. Instances share them, so
//! that all say the same; they are no part of the record.

use jiff::Timestamp;

use crate::slot::SlotRange;

/// A look at some places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The places. Looks do not overlap: a new one takes the place of those that it overlaps.
    pub range: SlotRange,
    /// When.
    pub at: Timestamp,
    /// The terms under which all that was due there went; empty if something was left.
    pub terms: String,
    /// What was seen, as JSON.
    pub body: String,
}
