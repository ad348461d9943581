//! The settings that give rules their meaning, as the ledger keeps them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;

/// The ledger, as far as it is about settings.
#[async_trait]
pub trait SettingsLedger: Send + Sync {
    /// Records the settings that give rules their meaning (default and named periods, as
    /// canonical JSON), if they differ from those recorded last; that raises the revision.
    async fn note_settings(&self, body: &str, by: &str, at: Timestamp)
    -> Result<bool, LedgerError>;
    /// The settings that held at a revision.
    async fn settings_at(&self, revision: u64) -> Result<Option<String>, LedgerError>;
    /// The settings that held at `first`, and those noted after it up to `last`, in order, with the
    /// revision since which they hold. Nothing if none held at `first`.
    async fn settings_within(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, String)>, LedgerError>;
}
