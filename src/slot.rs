//! Slots: a share of the workspaces, due at a time of day.
//!
//! A workspace has a place in a circle of 2^32 places, by a stable hash of its name. A day is cut
//! into slots of equal width; slot `i` of `n` covers the places from `i/n` to `(i+1)/n`, and is due at
//! that share of the UTC day. What is done is remembered as ranges of places, not as numbers of slots:
//! so the number of slots may change at noon, and nobody is lost or done twice.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The number of places.
pub const N_PLACES: u64 = 1 << 32;

/// A range of places: from the first, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotRange {
    /// The first place.
    pub from: u64,
    /// The place after the last.
    pub to: u64,
}

impl SlotRange {
    /// All places.
    pub const ALL: Self = Self {
        from: 0,
        to: N_PLACES,
    };

    /// Whether a workspace has its place here.
    pub fn contains(self, workspace: &str) -> bool {
        (self.from..self.to).contains(&place(workspace))
    }
}

/// The place of a workspace: the first four bytes of the SHA-256 of its name. Any text has one, and
/// they are spread evenly whatever names look like.
///
/// ```
/// assert_eq!(ebbtide::place("w1"), ebbtide::place("w1"));
/// assert!(ebbtide::place("w1") < ebbtide::N_PLACES);
/// ```
pub fn place(workspace: &str) -> u64 {
    let digest = Sha256::digest(workspace.as_bytes());
    digest
        .iter()
        .take(4)
        .fold(0, |place, byte| (place << 8) | u64::from(*byte))
}
