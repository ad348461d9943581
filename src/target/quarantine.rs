//! Quarantine: where partitions go that can be brought back for a while.
//!
//! Partitions that go as a whole, and no others, are moved to a table of their step instead of being
//! dropped, and dropped there later. `MOVE PARTITION TO TABLE` takes parts as they are, so nothing is
//! copied, and nothing is freed before the drop.
//!
//! A partition that also holds rows that should stay is not moved: until they were put back, readers
//! would miss them. A copy of the partition without its expired rows, put in its place by `REPLACE
//! PARTITION`, leaves no such gap, but loses what is inserted between the copy and the replacement.
//! Both break the first promise, so those rows are masked.
//!
//! Invariant: a name that was not made here names no table to be dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{TableSchema, Ways};
use crate::rule::Days;

/// How every table begins that holds partitions in quarantine.
pub(crate) const PREFIX: &str = "_ebbtide_quarantine_";

/// What the config says of the quarantine of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    /// For how long a partition can be brought back.
    #[serde(rename = "for")]
    pub length: Days,
}

impl Quarantine {
    /// Fails where the table could have none: nobody should rely on it in vain.
    pub(super) fn check(ways: &Ways, has_keep: bool, schema: &TableSchema) -> Result<(), String> {
        let reason = if ways.is_replicated {
            "the table is replicated, and the quarantine would be on one replica only".to_owned()
        } else if has_keep {
            "what another table keeps is never gone as a whole partition".to_owned()
        } else if !ways.may_drop() || ways.period.is_none() {
            format!(
                "only whole partitions are moved there, and none goes as a whole: that needs a \
                 partition key ({}) that is a day, week or month of the age, and method: auto or \
                 partition",
                if ways.is_partitioned {
                    &schema.partition_key
                } else {
                    "none"
                }
            )
        } else {
            return Ok(());
        };
        Err(format!(
            "the config says quarantine, and {reason}; remove quarantine from the target"
        ))
    }
}

/// The name of a table that holds partitions in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineTable(String);

impl QuarantineTable {
    /// The table of a step, from the marker of its statement.
    ///
    /// ```
    /// use ebbtide::QuarantineTable;
    /// let table = QuarantineTable::of_step("ebbtide:retention:traces:0192-ab-3");
    /// assert_eq!(table.as_str(), "_ebbtide_quarantine_0192_ab_3");
    /// assert_eq!(QuarantineTable::parse("_ebbtide_quarantine_0192_ab_3"), Some(table));
    /// assert_eq!(QuarantineTable::parse("traces"), None);
    /// ```
    pub fn of_step(marker: &str) -> Self {
        let identity = marker.rsplit(':').next().unwrap_or_default();
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        };
        Self(PREFIX.chars().chain(identity.chars().map(plain)).collect())
    }

    /// The table of this name, if it can be one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::is_name(name).then(|| Self(name.to_owned()))
    }

    /// Whether a table of this name is a quarantine.
    pub fn is_name(name: &str) -> bool {
        name.strip_prefix(PREFIX).is_some_and(|identity| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            !identity.is_empty() && identity.bytes().all(is_plain)
        })
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QuarantineTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
