//! Tenure: holding the lease that everything that deletes needs, and knowing when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::EngineError;
use crate::ledger::{Lease, Ledger};

/// The lease, held and renewed in the background until this value is released.
#[derive(Debug)]
pub struct Tenure {
    holder: String,
    token: u64,
    lost: CancellationToken,
}

impl Tenure {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`EngineError::Busy`] if somebody else has it.
    pub async fn begin(
        _ledger: &Arc<dyn Ledger>,
        _holder: &str,
        _length: Duration,
    ) -> Result<Self, EngineError> {
        unimplemented!()
    }

    /// Who holds it.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The fencing token.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Cancelled as soon as the lease is lost, or may be: by this process's own monotonic clock,
    /// counted from before the request that renewed it last.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// [`EngineError::Ledger`]; the lease then ends by itself.
    pub async fn release(self) -> Result<(), EngineError> {
        unimplemented!()
    }
}

/// What is said of a lease that somebody else has.
pub(super) fn _busy(_lease: &Lease) {}
