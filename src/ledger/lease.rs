//! Leases: who may act at present, by the clock of the database.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;

/// The ledger, as far as it is about leases.
#[async_trait]
pub trait LeaseLedger: Send + Sync {
    /// Asks for a lease: granted if it is free, has ended, or is ours already (`holder`), with a
    /// new token. Look and grant are one transaction, by the database's clock. Only a lease that is
    /// taken from somebody who never gave it back becomes an entry of the record.
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<LeaseAttempt, LedgerError>;
    /// Renews a lease, with the same token; nothing if it has ended or is somebody else's. On MySQL
    /// it does not wait for changes that are under way.
    async fn renew_lease(
        &self,
        lease: &Lease,
        length: Duration,
    ) -> Result<Option<Lease>, LedgerError>;
    /// Gives a lease back, if it still is ours.
    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError>;
    /// All leases that have not ended.
    async fn leases(&self) -> Result<Vec<Lease>, LedgerError>;
}

/// The lease that everything that deletes needs: one cycle at a time.
pub const CYCLE_LEASE: &str = "cycle";

/// A lease that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Grows with every grant; a statement of an older token is refused.
    pub token: u64,
    /// When it ends unless it is renewed, by the clock of the database.
    pub expires_at: Timestamp,
}

/// What became of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAttempt {
    /// It is ours.
    Held(Lease),
    /// Somebody else has it.
    Busy(Lease),
}
