//! Tenure: holding the lease that everything that deletes needs, and knowing when it is lost.
//!
//! Invariant: the lease counts as lost before the database may give it to somebody else. The time
//! is counted by the local monotonic clock, from before the request that was granted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::EngineError;
use crate::ledger::{CYCLE_LEASE, Lease, LeaseAttempt, Ledger};
use crate::warehouse::DELIVERY;

/// The lease, held and renewed in the background until this value is released. Dropping it ends
/// the renewals; the lease then ends by itself.
pub struct Tenure {
    ledger: Arc<dyn Ledger>,
    shared: Arc<Shared>,
    token: u64,
    length: Duration,
    renewals: JoinHandle<()>,
}

/// What the renewals tell the holder.
struct Shared {
    lost: CancellationToken,
    /// The lease as it was renewed last, and until when it is certainly ours.
    lease: Mutex<(Lease, Instant)>,
}

impl Tenure {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`EngineError::Busy`] if somebody else has it.
    pub async fn begin(
        ledger: &Arc<dyn Ledger>,
        holder: &str,
        length: Duration,
    ) -> Result<Self, EngineError> {
        let asked = Instant::now();
        let lease = match ledger.acquire_lease(CYCLE_LEASE, holder, length).await? {
            LeaseAttempt::Held(lease) => lease,
            LeaseAttempt::Busy(lease) => {
                return Err(EngineError::Busy {
                    holder: lease.holder,
                    until: lease.expires_at,
                });
            }
        };
        let token = lease.token;
        let shared = Arc::new(Shared {
            lost: CancellationToken::new(),
            lease: Mutex::new((lease, asked + certain(length))),
        });
        let renewals = tokio::spawn(renew(Arc::clone(ledger), Arc::clone(&shared), length));
        Ok(Self {
            ledger: Arc::clone(ledger),
            shared,
            token,
            length,
            renewals,
        })
    }

    /// Who holds it.
    pub fn holder(&self) -> String {
        self.shared.lease().0.holder
    }

    /// The fencing token.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether it certainly still is ours. Looks at the clock, so that a process that was frozen
    /// knows at once.
    pub fn is_held(&self) -> bool {
        let (_, until) = self.shared.lease();
        if Instant::now() >= until {
            self.shared.lost.cancel();
        }
        !self.shared.lost.is_cancelled()
    }

    /// Whether it is held for long enough that a statement arrives before it ends. A third of it is
    /// always left while it can be renewed, and enough where the whole of it is short.
    pub fn may_send(&self) -> bool {
        let (_, until) = self.shared.lease();
        let needed = DELIVERY.min(self.length / 3);
        self.is_held() && until.saturating_duration_since(Instant::now()) >= needed
    }

    /// Cancelled as soon as the lease is lost, or may be: by this process's own monotonic clock,
    /// counted from before the request that renewed it last.
    pub fn lost(&self) -> &CancellationToken {
        &self.shared.lost
    }

    /// Lets others have the lease between two pieces of long work: gives it back, and takes it again
    /// after this long, or when they are done, however long that takes. `busy` hears who has it.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] if it is told to stop meanwhile, or if the ledger fails. Nothing is held then.
    pub async fn give_way(
        &mut self,
        length: Duration,
        stop: &CancellationToken,
        mut busy: impl FnMut(&EngineError),
    ) -> Result<(), EngineError> {
        let (lease, _) = self.shared.lease();
        self.renewals.abort();
        self.shared.lost.cancel();
        self.ledger.release_lease(&lease).await?;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(EngineError::Stopped),
                () = tokio::time::sleep(length) => {}
            }
            match Self::begin(&self.ledger, &lease.holder, self.length).await {
                Ok(tenure) => {
                    *self = tenure;
                    return Ok(());
                }
                Err(error @ EngineError::Busy { .. }) => busy(&error),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// [`EngineError::Ledger`]; the lease then ends by itself.
    pub async fn release(self) -> Result<(), EngineError> {
        self.renewals.abort();
        let (lease, _) = self.shared.lease();
        Ok(self.ledger.release_lease(&lease).await?)
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.renewals.abort();
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure")
            .field("holder", &self.holder())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lease(&self) -> (Lease, Instant) {
        let lease = self.lease.lock();
        lease.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How long a lease certainly is ours: clocks need not run at exactly the same rate.
fn certain(length: Duration) -> Duration {
    length.saturating_sub(length / 10)
}

/// How long one attempt to renew may take: a connection that went silent must leave time for another.
fn patience(length: Duration) -> Duration {
    (length / 6).max(Duration::from_secs(1))
}

/// Renews a lease at a third of its length, until it is lost.
async fn renew(ledger: Arc<dyn Ledger>, shared: Arc<Shared>, length: Duration) {
    let mut pause = length / 3;
    loop {
        let (lease, until) = shared.lease();
        let next = (Instant::now() + pause).min(until);
        tokio::time::sleep_until(next.into()).await;
        let asked = Instant::now();
        if asked >= until {
            break;
        }
        let renewal = ledger.renew_lease(&lease, length);
        let given_up = (asked + patience(length)).min(until);
        match tokio::time::timeout_at(given_up.into(), renewal).await {
            Ok(Ok(Some(lease))) => {
                pause = length / 3;
                let mut held = shared.lease.lock().unwrap_or_else(PoisonError::into_inner);
                *held = (lease, asked + certain(length));
            }
            Ok(Ok(None)) => break,
            Err(_) => {
                tracing::warn!("the ledger does not answer; renewing the lease is tried again");
                pause = length / 10;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease could not be renewed; trying again");
                pause = length / 10;
            }
        }
    }
    tracing::warn!("the lease is lost; nothing more is sent");
    shared.lost.cancel();
}
