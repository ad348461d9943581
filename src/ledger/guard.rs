//! Holds and pauses as the ledger keeps them.

use jiff::Timestamp;

use crate::guard::{HoldRange, PauseScope};
use crate::rule::Scope;

/// A hold to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Whose rows must stay.
    pub scope: Scope,
    /// Rows of which time; all of them where both ends are open.
    pub range: HoldRange,
    /// Why, for whoever meets it later.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it was placed.
    pub created_at: Timestamp,
}

/// A hold as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRecord {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    pub hold: NewHold,
    /// Who placed it.
    pub created_by: String,
    /// When and by whom it was released, if it was.
    pub released: Option<(Timestamp, String)>,
}

/// A pause to begin. One scope is paused at most once: a second pause of it is [`super::Created`]
/// with the number of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPause {
    /// What is not deleted from.
    pub scope: PauseScope,
    /// Why.
    pub reason: String,
    /// When it began.
    pub created_at: Timestamp,
}

/// A pause as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRecord {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    pub pause: NewPause,
    /// Who began it.
    pub created_by: String,
    /// When and by whom it was ended, if it was.
    pub ended: Option<(Timestamp, String)>,
}
