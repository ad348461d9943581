//! What holds for a workspace or project, and what keeps its rows: the one place where it is gathered,
//! for whoever tells it to people.

use std::sync::Arc;

use jiff::Timestamp;

use super::{BaseBook, Rulebook};
use crate::cutoff::Bounds;
use crate::guard::{Guards, Hold, PauseScope};
use crate::ledger::{HoldRecord, Ledger, LedgerError, PauseRecord};
use crate::resolve::{Directory, Policy, resolve};
use crate::rule::Retention;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'s> {
    pub(crate) workspace: &'s str,
    /// One of its projects, if one is meant.
    pub(crate) project: Option<&'s str>,
}

/// What an explanation is made from, all of one revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grounds<'a> {
    pub(crate) rulebook: &'a Rulebook,
    /// It need only know the workspace.
    pub(crate) directory: &'a Directory,
    pub(crate) base: &'a BaseBook,
    /// What holds where no rule does.
    pub(crate) default: &'a Retention,
    pub(crate) guards: &'a GuardRecords,
    pub(crate) now: Timestamp,
}

/// What holds, and what keeps rows.
#[derive(Debug)]
pub(crate) struct Explained<'a> {
    pub(crate) policy: Policy<'a>,
    /// Projects of the workspace with rules of their own, where none of them is meant.
    pub(crate) own_projects: Vec<&'a Arc<str>>,
    /// The interval in which rows are expired.
    pub(crate) expired: Option<Bounds>,
    /// What has to agree with the policy, if anything has.
    pub(crate) base: Option<ExplainedBase<'a>>,
    /// Holds of its organization, of itself and of the project that is meant.
    pub(crate) holds: Vec<&'a HoldRecord>,
    /// Holds of its projects, by number, where none of them is meant.
    pub(crate) project_holds: Vec<&'a HoldRecord>,
    pub(crate) pauses: Vec<&'a PauseRecord>,
}

/// What was approved, or armed for long enough.
#[derive(Debug)]
pub(crate) struct ExplainedBase<'a> {
    /// Its revision; nothing if there is none.
    pub(crate) revision: Option<u64>,
    /// What was promised then.
    pub(crate) retention: Option<&'a Retention>,
    /// The interval in which rows go at present, holds and pauses apart.
    pub(crate) agreed: Option<Bounds>,
}

/// Holds and pauses in force, with the reasons that people gave.
#[derive(Debug)]
pub(crate) struct GuardRecords {
    /// By number.
    holds: Vec<HoldRecord>,
    pauses: Vec<PauseRecord>,
}

impl<'a> Grounds<'a> {
    /// What holds, and what keeps rows.
    pub(crate) fn explain(&self, subject: Subject<'_>) -> Explained<'a> {
        let Self {
            rulebook, guards, ..
        } = *self;
        let Subject { workspace, project } = subject;
        let policies = resolve(&rulebook.rules, self.directory, self.default);
        let policy = policies.of(workspace, project);
        let own_projects = policies.projects(workspace).map(|(name, _)| name);
        let expired = policy.bounds(self.now);
        let organization = self.directory.organization_of(workspace);
        let over = (rulebook.guards).over(workspace, project, organization.map(|name| &**name));
        let mut over_projects: Vec<u64> = of_projects(&rulebook.guards, subject).collect();
        over_projects.sort_unstable();
        Explained {
            own_projects: own_projects.filter(|_| project.is_none()).collect(),
            base: self.base_of(subject, &policy, expired),
            policy,
            expired,
            holds: guards.records(over.map(|hold| hold.id)),
            project_holds: guards.records(over_projects.into_iter()),
            pauses: guards.pauses_over(workspace),
        }
    }

    fn base_of(
        &self,
        subject: Subject<'_>,
        policy: &Policy<'a>,
        expired: Option<Bounds>,
    ) -> Option<ExplainedBase<'a>> {
        let (revision, retention, agreed) = match self.base {
            BaseBook::NotNeeded => return None,
            BaseBook::Missing => (None, None, None),
            BaseBook::Same { revision, .. } => (Some(*revision), Some(policy.retention), expired),
            BaseBook::Earlier {
                revision,
                rules,
                default,
                ..
            } => {
                let policies = resolve(rules, self.directory, default);
                let earlier = policies.of(subject.workspace, subject.project);
                let of_both = expired.zip(earlier.bounds(self.now));
                let agreed = of_both.and_then(|(now, earlier)| now.intersect(earlier));
                (Some(*revision), Some(earlier.retention), agreed)
            }
        };
        Some(ExplainedBase {
            revision,
            retention,
            agreed,
        })
    }
}

impl Explained<'_> {
    /// The interval in which rows go at present, holds and pauses apart.
    pub(crate) fn agreed(&self) -> Option<Bounds> {
        let base = self.base.as_ref();
        base.map_or(self.expired, |base| base.agreed)
    }
}

impl GuardRecords {
    /// Reads them.
    ///
    /// # Errors
    /// As the ledger.
    pub(crate) async fn read(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        let mut holds = ledger.holds(false).await?;
        holds.sort_by_key(|record| record.id);
        let pauses = ledger.pauses(false).await?;
        Ok(Self { holds, pauses })
    }

    fn records(&self, ids: impl Iterator<Item = u64>) -> Vec<&HoldRecord> {
        let by_id = |id| {
            let found = self.holds.binary_search_by_key(&id, |record| record.id);
            self.holds.get(found.ok()?)
        };
        ids.filter_map(by_id).collect()
    }

    /// The pauses that stop what is deleted from a workspace, be it from one table only.
    fn pauses_over(&self, workspace: &str) -> Vec<&PauseRecord> {
        let is_over = |record: &&PauseRecord| match &record.pause.scope {
            PauseScope::Everything | PauseScope::Target(_) => true,
            PauseScope::Workspace(name) => **name == *workspace,
        };
        self.pauses.iter().filter(is_over).collect()
    }
}

/// The holds of the projects of a workspace, where none of them is meant.
fn of_projects(guards: &Guards, subject: Subject<'_>) -> impl Iterator<Item = u64> {
    let over = guards.over_projects(subject.workspace);
    let over = over.filter(move |_| subject.project.is_none());
    over.map(|(_, hold): (_, &Hold)| hold.id)
}
