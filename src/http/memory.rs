//! A copy of the world in memory, so that a look-up costs no query.
//!
//! Invariant: an answer is made from a copy that was compared with the ledger at most
//! [`LONGEST_TRUST`] ago, and after the last change that this process made. Where the ledger cannot be
//! asked, the copy is not used.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::problem::{Answer, Problem};
use super::world::World;
use crate::engine::EngineError;
use crate::ledger::Ledger;
use crate::schedule::Live;

/// A copy younger than this is used as it is.
const TRUST: Duration = Duration::from_secs(1);
/// A copy younger than this is used while it is compared with the ledger in the background.
const LONGEST_TRUST: Duration = Duration::from_secs(2);
/// The operator's own directory has no revision; it is read again after this time.
const DIRECTORY_TRUST: Duration = Duration::from_mins(1);
/// A copy that nobody asked for so long is given up: an idle sidecar should be small.
const FORGET_AFTER: Duration = Duration::from_mins(2);

/// A world, and the time by the clock of the ledger's database.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The world.
    pub(super) world: Arc<World>,
    /// Now.
    pub(super) now: Timestamp,
}

/// The copy.
#[derive(Default)]
pub(super) struct Memory {
    copy: Mutex<Option<Kept>>,
    /// Raised by each change that this process makes.
    n_changes: AtomicU64,
    /// One reading at a time.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// Whether somebody waits to give the copy up.
    is_watched: AtomicBool,
}

#[derive(Clone)]
struct Kept {
    world: Arc<World>,
    live: Arc<Live>,
    checked_at: Instant,
    ledger_time: Timestamp,
    n_changes: u64,
}

impl Kept {
    fn seen(&self) -> Seen {
        let elapsed = SignedDuration::try_from(self.checked_at.elapsed()).unwrap_or_default();
        Seen {
            world: Arc::clone(&self.world),
            now: self
                .ledger_time
                .saturating_add(elapsed)
                .unwrap_or(self.ledger_time),
        }
    }
}

impl Memory {
    /// Says that this process changed the ledger: older copies are not used any more.
    pub(super) fn changed(&self) {
        self.n_changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The world as it is, give or take [`LONGEST_TRUST`].
    pub(super) async fn see(
        self: &Arc<Self>,
        live: &Arc<Live>,
        ledger: &Arc<dyn Ledger>,
    ) -> Answer<Seen> {
        if let Some(checked) = self.trusted(live, LONGEST_TRUST) {
            if checked.checked_at.elapsed() >= TRUST {
                self.refresh_in_the_background(live, ledger);
            }
            return Ok(checked.seen());
        }
        let (memory, live, ledger) = (Arc::clone(self), Arc::clone(live), Arc::clone(ledger));
        // A task of its own: a client that goes away must not undo the reading for those who wait.
        let reading = tokio::spawn(async move {
            let only_one = Arc::clone(&memory.reading).lock_owned().await;
            memory.refresh_apart(live, ledger, only_one).await
        });
        reading
            .await
            .map_err(|error| Problem::internal(&error))?
            .map_err(|error| Problem::internal(&error))?
            .map_err(Problem::from)
    }

    /// As [`Memory::see`], but content with a copy from before this process's own last change: for
    /// what is about to be changed, and for whom a workspace belongs to.
    pub(super) async fn recall(
        self: &Arc<Self>,
        live: &Arc<Live>,
        ledger: &Arc<dyn Ledger>,
    ) -> Answer<Seen> {
        let copy = self.copy();
        match copy.filter(|copy| {
            Arc::ptr_eq(&copy.live, live) && copy.checked_at.elapsed() < LONGEST_TRUST
        }) {
            Some(checked) => Ok(checked.seen()),
            None => self.see(live, ledger).await,
        }
    }

    fn copy(&self) -> Option<Kept> {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.clone()
    }

    fn trusted(&self, live: &Arc<Live>, trust: Duration) -> Option<Kept> {
        self.copy().filter(|copy| {
            Arc::ptr_eq(&copy.live, live)
                && copy.n_changes == self.n_changes.load(Ordering::SeqCst)
                && copy.checked_at.elapsed() < trust
        })
    }

    fn refresh_in_the_background(self: &Arc<Self>, live: &Arc<Live>, ledger: &Arc<dyn Ledger>) {
        let Ok(only_one) = Arc::clone(&self.reading).try_lock_owned() else {
            return;
        };
        let reading = self.refresh_apart(Arc::clone(live), Arc::clone(ledger), only_one);
        // It ends by itself; if it fails, a request that finds no copy to trust meets the same error.
        tokio::spawn(async move {
            if let Ok(Err(error)) = reading.await {
                tracing::warn!(%error, "the copy of the rules could not be compared with the ledger");
            }
        });
    }

    /// [`Memory::refresh`] on a thread that answers nobody: indexing rules takes a while.
    fn refresh_apart(
        self: &Arc<Self>,
        live: Arc<Live>,
        ledger: Arc<dyn Ledger>,
        only_one: OwnedMutexGuard<()>,
    ) -> JoinHandle<Result<Seen, EngineError>> {
        let memory = Arc::clone(self);
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _only_one = only_one;
            let seen = runtime.block_on(memory.refresh(&live, &ledger));
            memory.forget_when_unused(&runtime);
            seen
        })
    }

    /// Gives the copy up once nobody has asked for it for [`FORGET_AFTER`].
    fn forget_when_unused(self: &Arc<Self>, runtime: &Handle) {
        if self.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let memory = Arc::downgrade(self);
        // It ends with the copy, or soon after the memory itself.
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(FORGET_AFTER).await;
                let Some(memory) = memory.upgrade() else {
                    return;
                };
                if memory.forget(FORGET_AFTER) {
                    return;
                }
            }
        });
    }

    /// Gives up a copy that was last compared so long ago: each use compares it soon.
    fn forget(&self, unused_for: Duration) -> bool {
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unused = |copy: &Kept| copy.checked_at.elapsed() >= unused_for;
        let is_over = copy.as_ref().is_none_or(is_unused);
        if is_over {
            *copy = None;
            // Under the lock: whoever keeps a copy next finds nobody watching.
            self.is_watched.store(false, Ordering::SeqCst);
        }
        is_over
    }

    /// Compares the copy with the ledger, and reads it again where it differs. The caller holds
    /// `reading`.
    async fn refresh(
        &self,
        live: &Arc<Live>,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Seen, EngineError> {
        // Somebody may just have done it.
        if let Some(checked) = self.trusted(live, TRUST) {
            return Ok(checked.seen());
        }
        let n_changes = self.n_changes.load(Ordering::SeqCst);
        let checked_at = Instant::now();
        let ledger_time = ledger.now().await?;
        let revision = ledger.revision().await?;
        // What another configuration meant is of no use.
        let before = self.copy().filter(|copy| Arc::ptr_eq(&copy.live, live));
        let before = before.map(|copy| copy.world);
        let is_current = |world: &World| {
            let is_directory_old =
                live.config.directory.is_some() && world.age() >= DIRECTORY_TRUST;
            world.rulebook.revision == revision && !is_directory_old
        };
        let world = match before {
            Some(world) if is_current(&world) => world.with_base_of_now(live).await?,
            before => Arc::new(World::read(live, &**ledger, before.as_deref()).await?),
        };
        let checked = Kept {
            world,
            live: Arc::clone(live),
            checked_at,
            ledger_time,
            n_changes,
        };
        let seen = checked.seen();
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        *copy = Some(checked);
        Ok(seen)
    }
}
