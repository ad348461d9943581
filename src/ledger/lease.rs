//! Leases: who may act at present, by the clock of the database.

use jiff::Timestamp;

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
