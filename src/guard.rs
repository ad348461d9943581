//! Guards: holds and pauses, and what they leave of an arm.
//!
//! Invariant: a guard only ever takes away. Where a guard and a rule disagree, rows stay.

mod pause;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rule::Scope;

pub use pause::PauseScope;

/// The times of the rows that a hold keeps: from the first instant, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HoldRange {
    /// Rows from this instant on; from the beginning if nothing.
    pub from: Option<Timestamp>,
    /// Rows before this instant; without end if nothing.
    pub until: Option<Timestamp>,
}

impl HoldRange {
    /// Whether a row of this time is held.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.until.is_none_or(|until| time < until)
    }

    /// The range in Unix milliseconds, widened to whole units: a time of a column may stand for
    /// any instant of its unit, and what may be held is.
    pub(crate) fn span_ms(self, unit_ms: i64) -> (i64, i64) {
        let unit = i128::from(unit_ms) * 1_000_000;
        let ms = |ns: i128| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
        let floor = |at: Timestamp| at.as_nanosecond().div_euclid(unit) * unit;
        let ceil = |at: Timestamp| -((-at.as_nanosecond()).div_euclid(unit) * unit);
        (
            self.from.map_or(i64::MIN, |from| ms(floor(from))),
            self.until.map_or(i64::MAX, |until| ms(ceil(until))),
        )
    }
}

/// A hold in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its number in the ledger.
    pub id: u64,
    /// Whose rows must stay.
    pub scope: Scope,
    /// Rows of which time.
    pub range: HoldRange,
}

/// All holds and pauses in force, indexed by what they apply to.
///
/// ```
/// use ebbtide::{Guards, Hold, HoldRange, Scope};
/// let hold = Hold { id: 1, scope: Scope::Organization("acme".into()), range: HoldRange::default() };
/// let guards = Guards::new([hold], []);
/// assert_eq!(guards.over("w1", None, Some("acme")).count(), 1);
/// assert_eq!(guards.over("w1", None, None).count(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Guards {
    holds: Vec<Hold>,
    organizations: HashMap<Arc<str>, Vec<usize>>,
    workspaces: HashMap<Arc<str>, Vec<usize>>,
    projects: HashMap<Arc<str>, BTreeMap<Arc<str>, Vec<usize>>>,
    pauses: Vec<PauseScope>,
    is_all_paused: bool,
    paused_targets: HashSet<Arc<str>>,
    paused_workspaces: HashSet<Arc<str>>,
}

static NO_GUARDS: LazyLock<Guards> = LazyLock::new(Guards::default);

impl Guards {
    /// Indexes holds and pauses. Their order has no meaning.
    pub fn new(
        holds: impl IntoIterator<Item = Hold>,
        pauses: impl IntoIterator<Item = PauseScope>,
    ) -> Self {
        let mut guards = Self {
            holds: holds.into_iter().collect(),
            pauses: pauses.into_iter().collect(),
            organizations: HashMap::new(),
            workspaces: HashMap::new(),
            projects: HashMap::new(),
            is_all_paused: false,
            paused_targets: HashSet::new(),
            paused_workspaces: HashSet::new(),
        };
        guards.holds.sort_by_key(|hold| hold.id);
        guards.pauses.sort();
        for (index, hold) in guards.holds.iter().enumerate() {
            let of_name = match &hold.scope {
                Scope::Organization(name) => {
                    guards.organizations.entry(Arc::clone(name)).or_default()
                }
                Scope::Workspace(name) => guards.workspaces.entry(Arc::clone(name)).or_default(),
                Scope::Project { workspace, project } => {
                    let of_workspace = guards.projects.entry(Arc::clone(workspace)).or_default();
                    of_workspace.entry(Arc::clone(project)).or_default()
                }
            };
            of_name.push(index);
        }
        for pause in &guards.pauses {
            match pause {
                PauseScope::Everything => guards.is_all_paused = true,
                PauseScope::Target(name) => {
                    guards.paused_targets.insert(Arc::clone(name));
                }
                PauseScope::Workspace(name) => {
                    guards.paused_workspaces.insert(Arc::clone(name));
                }
            }
        }
        guards
    }

    /// No hold and no pause.
    pub fn none() -> &'static Self {
        &NO_GUARDS
    }

    /// Whether there is neither hold nor pause.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.pauses.is_empty()
    }

    /// The holds, ordered by number.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// What is paused, in order.
    pub fn pauses(&self) -> &[PauseScope] {
        &self.pauses
    }

    /// The holds over the rows of a workspace or of one of its projects: those of its
    /// organization, its own, and those of the project.
    pub fn over(
        &self,
        workspace: &str,
        project: Option<&str>,
        organization: Option<&str>,
    ) -> impl Iterator<Item = &Hold> {
        let of_organization = organization.and_then(|name| self.organizations.get(name));
        let of_project =
            project.and_then(|project| self.projects.get(workspace).and_then(|of| of.get(project)));
        [of_organization, self.workspaces.get(workspace), of_project]
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|index| self.holds.get(*index))
    }

    /// The holds over projects of a workspace, with the project.
    pub fn over_projects(&self, workspace: &str) -> impl Iterator<Item = (&Arc<str>, &Hold)> {
        let projects = self.projects.get(workspace).into_iter().flatten();
        projects.flat_map(|(project, indices)| {
            let holds = indices.iter().filter_map(|index| self.holds.get(*index));
            holds.map(move |hold| (project, hold))
        })
    }

    /// Whether everything is paused.
    pub fn is_all_paused(&self) -> bool {
        self.is_all_paused
    }

    /// The widest pause that stops deleting a workspace's rows from a table, if one does.
    pub fn pause_of(&self, table: &str, workspace: &str) -> Option<PauseScope> {
        if self.is_all_paused {
            return Some(PauseScope::Everything);
        }
        let target = self.paused_targets.get(table).cloned();
        let workspace = || self.paused_workspaces.get(workspace).cloned();
        target
            .map(PauseScope::Target)
            .or_else(|| workspace().map(PauseScope::Workspace))
    }
}
