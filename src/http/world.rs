//! What the ledger says as of one revision: rules, directory, holds and pauses, and the base that the
//! rules are held against.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};

use crate::config::ApprovalMode;
use crate::engine::{BaseBook, EngineError, Rulebook};
use crate::guard::PauseScope;
use crate::ledger::{HoldRecord, Ledger, LedgerError, PauseRecord};
use crate::rule::Scope;
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
            let holds = ledger.holds(false).await?;
            let pauses = ledger.pauses(false).await?;
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
            let mut by_scope: HashMap<Scope, Vec<usize>> = HashMap::new();
            for (index, record) in holds.iter().enumerate() {
                let of_scope = by_scope.entry(record.hold.scope.clone()).or_default();
                of_scope.push(index);
            }
            return Ok(Self {
                rulebook: Arc::new(rulebook),
                is_stopped: live.engine.is_stopped_by(&base),
                base,
                base_revision,
                approved: approved(live, ledger).await?,
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

    /// The holds in force that apply to a workspace, or to one of its projects; to any of them if no
    /// project is named.
    pub(super) fn holds_on(&self, workspace: &str, project: Option<&str>) -> Vec<&HoldRecord> {
        let organization = self.rulebook.directory.organization_of(workspace);
        let is_of_workspace = |record: &&HoldRecord| {
            let scope = &record.hold.scope;
            matches!(scope, Scope::Project { workspace: of, .. } if **of == *workspace)
        };
        let of_any_project: Vec<&HoldRecord> = match project {
            Some(_) => Vec::new(),
            None => self.guards.holds.iter().filter(is_of_workspace).collect(),
        };
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
            .chain(of_any_project)
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

async fn approved(live: &Live, ledger: &dyn Ledger) -> Result<Option<u64>, LedgerError> {
    match live.config.approval {
        ApprovalMode::Required => ledger.approved_revision().await,
        ApprovalMode::None => Ok(None),
    }
}
