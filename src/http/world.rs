//! What the ledger says, kept in memory by revision, so that a look-up costs no query.
//!
//! Invariant: an answer is made from a copy that was compared with the ledger at most
//! [`LONGEST_TRUST`] ago, and after the last change that this process made. Where the ledger cannot be
//! asked, the copy is not used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use jiff::{SignedDuration, Timestamp};

use super::problem::{Answer, Problem};
use crate::engine::{BaseBook, EngineError, Rulebook};
use crate::guard::PauseScope;
use crate::ledger::{HoldRecord, Ledger, PauseRecord};
use crate::rule::Scope;
use crate::schedule::Live;

/// A copy younger than this is used as it is.
const TRUST: Duration = Duration::from_secs(1);
/// A copy younger than this is used while it is compared with the ledger in the background.
const LONGEST_TRUST: Duration = Duration::from_secs(2);
/// The operator's own directory has no revision; it is read again after this time.
const DIRECTORY_TRUST: Duration = Duration::from_mins(1);
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
    guards: Arc<GuardRecords>,
    began_at: Instant,
}

/// Holds and pauses in force, with the reasons that people gave.
#[derive(Debug)]
struct GuardRecords {
    holds: Vec<HoldRecord>,
    by_scope: HashMap<Scope, Vec<usize>>,
    pauses: Vec<PauseRecord>,
}

impl World {
    async fn read(live: &Live, ledger: &dyn Ledger) -> Result<Self, EngineError> {
        for _ in 0..MAX_READS {
            let began_at = Instant::now();
            let rulebook = live.engine.rulebook().await?;
            let holds = ledger.holds(false).await?;
            let pauses = ledger.pauses(false).await?;
            if ledger.revision().await? != rulebook.revision {
                continue;
            }
            let base_revision = live.engine.base_revision().await?;
            let base = live.engine.base(&rulebook).await?;
            let mut by_scope: HashMap<Scope, Vec<usize>> = HashMap::new();
            for (index, record) in holds.iter().enumerate() {
                let of_scope = by_scope.entry(record.hold.scope.clone()).or_default();
                of_scope.push(index);
            }
            return Ok(Self {
                rulebook: Arc::new(rulebook),
                base: Arc::new(base),
                base_revision,
                guards: Arc::new(GuardRecords {
                    holds,
                    by_scope,
                    pauses,
                }),
                began_at,
            });
        }
        Err(EngineError::Unsettled { n_reads: MAX_READS })
    }

    /// The same with the base of now, which an approval or the time may have moved.
    async fn with_base_of_now(self: Arc<Self>, live: &Live) -> Result<Arc<Self>, EngineError> {
        let base_revision = live.engine.base_revision().await?;
        if base_revision == self.base_revision {
            return Ok(self);
        }
        Ok(Arc::new(Self {
            rulebook: Arc::clone(&self.rulebook),
            base: Arc::new(live.engine.base(&self.rulebook).await?),
            base_revision,
            guards: Arc::clone(&self.guards),
            began_at: self.began_at,
        }))
    }

    /// The holds in force that apply to a workspace, or to one of its projects.
    pub(super) fn holds_on(&self, workspace: &str, project: Option<&str>) -> Vec<&HoldRecord> {
        let organization = self.rulebook.directory.organization_of(workspace);
        let workspace: Arc<str> = workspace.into();
        let scopes = [
            organization.map(|name| Scope::Organization(Arc::clone(name))),
            Some(Scope::Workspace(Arc::clone(&workspace))),
            project.map(|project| Scope::Project {
                workspace,
                project: project.into(),
            }),
        ];
        scopes
            .iter()
            .flatten()
            .filter_map(|scope| self.guards.by_scope.get(scope))
            .flatten()
            .filter_map(|index| self.guards.holds.get(*index))
            .collect()
    }

    /// The pauses in force that stop what is deleted from a workspace.
    pub(super) fn pauses_on(&self, workspace: &str) -> impl Iterator<Item = &PauseRecord> {
        self.guards
            .pauses
            .iter()
            .filter(move |record| match &record.pause.scope {
                PauseScope::Everything | PauseScope::Target(_) => true,
                PauseScope::Workspace(name) => &**name == workspace,
            })
    }
}

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
            let _only_one = memory.reading.lock().await;
            memory.refresh(&live, &ledger).await
        });
        reading
            .await
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
        let (memory, live, ledger) = (Arc::clone(self), Arc::clone(live), Arc::clone(ledger));
        // It ends by itself; if it fails, a request that finds no copy to trust meets the same error.
        tokio::spawn(async move {
            let _only_one = only_one;
            if let Err(error) = memory.refresh(&live, &ledger).await {
                tracing::warn!(%error, "the copy of the rules could not be compared with the ledger");
            }
        });
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
        let kept = self
            .copy()
            .map(|copy| (copy.live, copy.world))
            .filter(|(of, world)| {
                let is_directory_old =
                    live.config.directory.is_some() && world.began_at.elapsed() >= DIRECTORY_TRUST;
                Arc::ptr_eq(of, live) && world.rulebook.revision == revision && !is_directory_old
            });
        let world = match kept {
            Some((_, world)) => world.with_base_of_now(live).await?,
            None => Arc::new(World::read(live, &**ledger).await?),
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
