//! What the ledger says as of one revision: rules, directory, holds and pauses, and the base that the
//! rules are held against.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::ApprovalMode;
use crate::engine::{BaseBook, EngineError, GuardRecords, Rulebook};
use crate::ledger::{Ledger, LedgerError};
use crate::schedule::Live;

/// How often reading is tried again because something changed in between.
const MAX_READS: u32 = 5;

/// Rules, directory, holds and pauses as of one revision.
#[derive(Debug)]
pub(super) struct World {
    /// Rules and directory.
    pub(super) rulebook: Arc<Rulebook>,
    /// What must agree with them before anything is deleted.
    pub(super) base: Arc<BaseBook>,
    base_revision: Option<u64>,
    /// Whether it lets nothing go, whatever the rules say.
    pub(super) is_stopped: bool,
    /// The latest revision that was approved, where approvals are required.
    pub(super) approved: Option<u64>,
    /// Holds and pauses in force.
    pub(super) guards: Arc<GuardRecords>,
    began_at: Instant,
}

impl World {
    /// Reads all of it. The base is taken over from the world before if nothing changed since; the
    /// operator's own directory has no revision that would say so.
    pub(super) async fn read(
        live: &Live,
        ledger: &dyn Ledger,
        before: Option<&Self>,
    ) -> Result<Self, EngineError> {
        for _ in 0..MAX_READS {
            let began_at = Instant::now();
            let rulebook = live.engine.rulebook().await?;
            let guards = GuardRecords::read(ledger).await?;
            if ledger.revision().await? != rulebook.revision {
                continue;
            }
            let base_revision = live.engine.base_revision().await?;
            let known = before.filter(|before| {
                live.config.directory.is_none()
                    && before.base_revision == base_revision
                    && before.rulebook.revision == rulebook.revision
                    && matches!(*before.base, BaseBook::Earlier { .. })
            });
            let base = match known {
                Some(before) => Arc::clone(&before.base),
                None => Arc::new(live.engine.base(&rulebook).await?),
            };
            return Ok(Self {
                rulebook: Arc::new(rulebook),
                is_stopped: live.engine.is_stopped_by(&base),
                base,
                base_revision,
                approved: approved(live, ledger).await?,
                guards: Arc::new(guards),
                began_at,
            });
        }
        Err(EngineError::Unsettled { n_reads: MAX_READS })
    }

    /// The same with the base of now, which an approval or the time may have moved.
    pub(super) async fn with_base_of_now(
        self: Arc<Self>,
        live: &Live,
        ledger: &dyn Ledger,
    ) -> Result<Arc<Self>, EngineError> {
        let base_revision = live.engine.base_revision().await?;
        let approved = approved(live, ledger).await?;
        if (base_revision, approved) == (self.base_revision, self.approved) {
            return Ok(self);
        }
        let base = if base_revision == self.base_revision {
            Arc::clone(&self.base)
        } else {
            Arc::new(live.engine.base(&self.rulebook).await?)
        };
        Ok(Arc::new(Self {
            rulebook: Arc::clone(&self.rulebook),
            is_stopped: live.engine.is_stopped_by(&base),
            base,
            base_revision,
            approved,
            guards: Arc::clone(&self.guards),
            began_at: self.began_at,
        }))
    }

    /// How long ago it was read.
    pub(super) fn age(&self) -> Duration {
        self.began_at.elapsed()
    }
}

async fn approved(live: &Live, ledger: &dyn Ledger) -> Result<Option<u64>, LedgerError> {
    match live.config.approval {
        ApprovalMode::Required => ledger.approved_revision().await,
        ApprovalMode::None => Ok(None),
    }
}
