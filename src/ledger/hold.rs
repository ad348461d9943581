//! Holds as the ledger keeps them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Author, Created, Deactivation, LedgerError};
use crate::guard::HoldRange;
use crate::rule::Scope;

/// The ledger, as far as it is about holds.
#[async_trait]
pub trait HoldLedger: Send + Sync {
    /// Places a hold; raises the revision.
    async fn place_hold(&self, hold: &NewHold, by: Author<'_>) -> Result<Created, LedgerError>;
    /// Releases a hold; the row stays. Raises the revision.
    async fn release_hold(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Holds ordered by id: those in force, or the whole history.
    async fn holds(&self, with_history: bool) -> Result<Vec<HoldRecord>, LedgerError>;
}

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
