//! A copy of the world in memory, so that a look-up costs no query.
//!
//! Invariant: an answer is made from a copy that was compared with the ledger at most
//! [`LONGEST_TRUST`] ago, and after the last change that the same token made through this process. Where
//! the ledger cannot be asked, the copy is not used. All who wait share one reading, and its failure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::patience::promptly;
use super::problem::{Answer, Problem};
use super::world::World;
use crate::ledger::Ledger;
use crate::resolve::Directory;
use crate::schedule::Live;

/// A copy younger than this is used as it is. The rest of [`LONGEST_TRUST`] is for reading it again:
/// a hundred thousand rules take half a second, and longer where others are at work.
const TRUST: Duration = Duration::from_millis(500);
/// A copy younger than this is used while it is compared with the ledger in the background.
const LONGEST_TRUST: Duration = Duration::from_secs(2);
/// The operator's own directory has no revision; it is read again after this time.
const DIRECTORY_TRUST: Duration = Duration::from_mins(1);
/// So long after a reading that failed nobody tries another.
const PAUSE: Duration = Duration::from_secs(1);
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

impl Seen {
    /// Which workspaces belong to which organization.
    pub(super) fn directory(&self) -> &Directory {
        &self.world.rulebook.directory
    }
}

/// The copy.
#[derive(Default)]
pub(super) struct Memory {
    copy: Mutex<Option<Kept>>,
    changes: Mutex<Changes>,
    /// One reading at a time.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// When the last reading failed, if it did, and why.
    failure: Mutex<Option<(Instant, Problem)>>,
    /// Whether somebody waits to give the copy up.
    is_watched: AtomicBool,
}

/// Changes that this process made.
#[derive(Default)]
struct Changes {
    n_made: u64,
    /// Tokens whose last change no copy shows yet, and the number of that change.
    unseen: HashMap<Arc<str>, u64>,
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
    /// Says that a token changed the ledger: it is not answered from older copies any more. Others are,
    /// for as long as they are after a change that was made elsewhere.
    pub(super) fn changed(&self, token: &Arc<str>) {
        let mut changes = self.changes();
        changes.n_made += 1;
        let n_made = changes.n_made;
        changes.unseen.insert(Arc::clone(token), n_made);
        // It may have mended what made the last reading fail.
        *self.failure() = None;
    }

    /// The world as it is, give or take [`LONGEST_TRUST`], with all changes of a token.
    pub(super) async fn see(
        self: &Arc<Self>,
        live: &Arc<Live>,
        ledger: &Arc<dyn Ledger>,
        token: &Arc<str>,
    ) -> Answer<Seen> {
        let n_changes = self.changes().unseen.get(token).copied();
        if let Some(checked) = self.trusted(live, LONGEST_TRUST, n_changes.unwrap_or(0)) {
            if checked.checked_at.elapsed() >= TRUST {
                self.refresh_in_the_background(live, ledger);
            }
            return Ok(checked.seen());
        }
        self.not_in_vain()?;
        let (memory, live, ledger) = (Arc::clone(self), Arc::clone(live), Arc::clone(ledger));
        // A task of its own: a client that goes away must not undo the reading for those who wait.
        let reading = tokio::spawn(async move {
            let only_one = Arc::clone(&memory.reading).lock_owned().await;
            memory.not_in_vain()?;
            let reading = memory.refresh_apart(live, ledger, only_one);
            reading.await.map_err(|error| Problem::internal(&error))?
        });
        reading.await.map_err(|error| Problem::internal(&error))?
    }

    /// Fails if a reading just has: whoever waited for it has waited enough.
    fn not_in_vain(&self) -> Answer<()> {
        match &*self.failure() {
            Some((at, problem)) if at.elapsed() < PAUSE => Err(problem.clone()),
            _ => Ok(()),
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<(Instant, Problem)>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Memory::see`], but content with a copy from before the token's own last change: for what is
    /// about to be changed, and for whom a workspace belongs to.
    pub(super) async fn recall(
        self: &Arc<Self>,
        live: &Arc<Live>,
        ledger: &Arc<dyn Ledger>,
        token: &Arc<str>,
    ) -> Answer<Seen> {
        let copy = self.copy();
        match copy.filter(|copy| {
            Arc::ptr_eq(&copy.live, live) && copy.checked_at.elapsed() < LONGEST_TRUST
        }) {
            Some(checked) => Ok(checked.seen()),
            None => self.see(live, ledger, token).await,
        }
    }

    fn copy(&self) -> Option<Kept> {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.clone()
    }

    /// The copy, if it is young enough and shows so many changes of this process.
    fn trusted(&self, live: &Arc<Live>, trust: Duration, n_changes: u64) -> Option<Kept> {
        self.copy().filter(|copy| {
            Arc::ptr_eq(&copy.live, live)
                && copy.n_changes >= n_changes
                && copy.checked_at.elapsed() < trust
        })
    }

    fn refresh_in_the_background(self: &Arc<Self>, live: &Arc<Live>, ledger: &Arc<dyn Ledger>) {
        let Ok(only_one) = Arc::clone(&self.reading).try_lock_owned() else {
            return;
        };
        let reading = self.refresh_apart(Arc::clone(live), Arc::clone(ledger), only_one);
        // It ends by itself; if it fails, that is logged, and a request that finds no copy to trust
        // meets the same error.
        drop(reading);
    }

    /// [`Memory::refresh`] on a thread that answers nobody: indexing rules takes a while.
    fn refresh_apart(
        self: &Arc<Self>,
        live: Arc<Live>,
        ledger: Arc<dyn Ledger>,
        only_one: OwnedMutexGuard<()>,
    ) -> JoinHandle<Answer<Seen>> {
        let memory = Arc::clone(self);
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _only_one = only_one;
            let seen = runtime.block_on(memory.refresh(&live, &ledger));
            let problem = seen.as_ref().err().cloned();
            *memory.failure() = problem.map(|problem| (Instant::now(), problem));
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
    async fn refresh(&self, live: &Arc<Live>, ledger: &Arc<dyn Ledger>) -> Answer<Seen> {
        let n_changes = self.changes().n_made;
        // Somebody may just have done it.
        if let Some(checked) = self.trusted(live, TRUST, n_changes) {
            return Ok(checked.seen());
        }
        let checked_at = Instant::now();
        let asking = async { Ok((ledger.now().await?, ledger.revision().await?)) };
        let (ledger_time, revision) = promptly(asking).await?;
        // What another configuration meant is of no use.
        let before = self.copy().filter(|copy| Arc::ptr_eq(&copy.live, live));
        let before = before.map(|copy| copy.world);
        let is_current = |world: &World| {
            let is_directory_old =
                live.config.directory.is_some() && world.age() >= DIRECTORY_TRUST;
            world.rulebook.revision == revision && !is_directory_old
        };
        let world = match before {
            Some(world) if is_current(&world) => world.with_base_of_now(live, &**ledger).await?,
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
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
        let unseen = &mut self.changes().unseen;
        unseen.retain(|_, number| *number > n_changes);
        Ok(seen)
    }
}
