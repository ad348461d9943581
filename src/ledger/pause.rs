//! Pauses as the ledger keeps them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Author, Created, Deactivation, LedgerError};
use crate::guard::PauseScope;

/// The ledger, as far as it is about pauses.
#[async_trait]
pub trait PauseLedger: Send + Sync {
    /// Begins a pause; raises the revision, unless its scope is paused already.
    async fn pause(&self, pause: &NewPause, by: Author<'_>) -> Result<Created, LedgerError>;
    /// Ends the pause of a scope; raises the revision. Returns whether there was one.
    async fn resume(
        &self,
        scope: &PauseScope,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, LedgerError>;
    /// Ends one pause, and no later one of its scope; raises the revision.
    async fn end_pause(
        &self,
        id: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError>;
    /// Pauses ordered by id: those in force, or the whole history.
    async fn pauses(&self, with_history: bool) -> Result<Vec<PauseRecord>, LedgerError>;
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
