//! Candidates: the arms that may have expired rows in a table, sorted by what becomes of them.
//!
//! Invariant: what is due is inside the policies of now, inside those of the base, and outside of
//! every hold. Guards and slots leave arms out before anything is probed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::terms::{Base, Basis, Terms};
use super::{Arm, CensusRow, Projects};
use crate::cutoff::Bounds;
use crate::guard::Hold;
use crate::resolve::{Policies, Policy};
use crate::target::CheckedTarget;

/// The arms that may have expired rows in a table.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// What goes, if it is there.
    pub due: Vec<Arm>,
    /// What would go if what holds now were approved, or had been armed for long enough.
    pub waiting: Vec<Arm>,
    /// What would go if nothing were held.
    pub held: Vec<Arm>,
    /// What would go if nothing were paused.
    pub paused: Vec<Arm>,
    /// The holds that took something out of an arm.
    pub holds: BTreeSet<u64>,
}

/// The arms that may have expired rows in a table, from what a census found there. An arm whose
/// interval is empty, or that begins before the workspace's oldest row, has nothing to do.
///
/// The default of the config holds for every workspace the census found, known to the directory or
/// not. Rows without a readable workspace have no policy and stay.
///
/// A project that the target's project column cannot hold has no rows there and no arm. Where
/// there is no such column, nobody can say which rows a hold on a project means: it keeps those of
/// the whole workspace.
pub fn candidates(target: &CheckedTarget, census: &[CensusRow], terms: &Terms<'_>) -> Candidates {
    let is_plain = terms.is_plain();
    let mut sorter = Sorter {
        target,
        terms,
        found: Candidates {
            // Untouched capacity costs no memory; growing would need the old and the new room.
            due: Vec::with_capacity(census.len()),
            ..Candidates::default()
        },
    };
    let none: Arc<[Arc<str>]> = Arc::new([]);
    for row in census {
        let Some(oldest_ms) = row.oldest_ms.filter(|_| row.is_readable) else {
            continue;
        };
        if terms
            .slot
            .is_some_and(|slot| !slot.contains(&row.workspace))
        {
            continue;
        }
        let workspace = Workspace {
            name: &row.workspace,
            oldest_ms,
        };
        if is_plain {
            sorter.plain(workspace, &none);
        } else {
            sorter.guarded(workspace, &none);
        }
    }
    sorter.found
}

/// The candidates of one project alone, whether it has a policy of its own or that of its
/// workspace.
pub(crate) fn candidates_of_project(
    target: &CheckedTarget,
    census: &[CensusRow],
    project: &Arc<str>,
    terms: &Terms<'_>,
) -> Candidates {
    let mut sorter = Sorter {
        target,
        terms,
        found: Candidates::default(),
    };
    let readable = census.iter().filter(|row| row.is_readable);
    let rows = readable.filter_map(|row| Some((&row.workspace, row.oldest_ms?)));
    for (name, oldest_ms) in rows.filter(|_| target.can_hold_project(project)) {
        sorter.project(Workspace { name, oldest_ms }, project);
    }
    sorter.found
}

/// A workspace that the census found.
#[derive(Clone, Copy)]
struct Workspace<'a> {
    name: &'a Arc<str>,
    oldest_ms: i64,
}

impl Workspace<'_> {
    /// Not strictly below: the census may round an age up to its millisecond.
    fn reaches(self, bounds: &Bounds) -> bool {
        self.oldest_ms <= bounds.below_ms
    }
}

struct Sorter<'a> {
    target: &'a CheckedTarget,
    terms: &'a Terms<'a>,
    found: Candidates,
}

impl<'a> Sorter<'a> {
    /// Without base and guards: one arm for each policy.
    fn plain(&mut self, workspace: Workspace<'_>, none: &Arc<[Arc<str>]>) {
        let (target, terms) = (self.target, self.terms);
        let mut push = |policy: &Policy<'_>, projects: Projects| {
            let bounds = policy.bounds(terms.now);
            if let Some(bounds) = bounds.filter(|bounds| workspace.reaches(bounds)) {
                self.found
                    .due
                    .push(arm(workspace.name, projects, policy, bounds));
            }
        };
        let mut exceptions = Vec::new();
        for (project, policy) in terms.policies.projects(workspace.name) {
            if target.can_hold_project(project) {
                exceptions.push(Arc::clone(project));
                push(&policy, Projects::Only(Arc::clone(project)));
            }
        }
        let exceptions = if exceptions.is_empty() {
            Arc::clone(none)
        } else {
            Arc::from(exceptions)
        };
        let policy = terms.policies.workspace(workspace.name);
        push(&policy, Projects::Except(exceptions));
    }

    /// With base and guards. Every project that a rule of now, a rule of the base or a hold names
    /// is looked at by itself.
    fn guarded(&mut self, workspace: Workspace<'_>, none: &Arc<[Arc<str>]>) {
        let (target, terms) = (self.target, self.terms);
        let (name, guards) = (&**workspace.name, terms.guards);
        let organization = terms.policies.organization_of(name).map(|name| &**name);
        let base = self.base_policies();
        let names_of = |policies: &Policies<'a>| {
            let names = policies.projects(name).map(|(project, _)| project);
            names.collect::<Vec<&'a Arc<str>>>()
        };
        let mut projects: BTreeSet<&Arc<str>> = names_of(terms.policies).into_iter().collect();
        projects.extend(base.into_iter().flat_map(names_of));
        projects.extend(guards.over_projects(name).map(|(project, _)| project));
        projects.retain(|project| target.can_hold_project(project));
        for project in &projects {
            self.project(workspace, project);
        }
        let rest = if projects.is_empty() {
            Arc::clone(none)
        } else {
            projects.into_iter().cloned().collect()
        };
        let mut holds: Vec<&Hold> = guards.over(name, None, organization).collect();
        if target.project.is_none() {
            holds.extend(guards.over_projects(name).map(|(_, hold)| hold));
        }
        let policy = terms.policies.workspace(name);
        let of_base = base.map(|base| base.workspace(name));
        self.sort(workspace, &Projects::Except(rest), &policy, of_base, &holds);
    }

    /// One project by itself.
    fn project(&mut self, workspace: Workspace<'_>, project: &Arc<str>) {
        let terms = self.terms;
        let name = &**workspace.name;
        let organization = terms.policies.organization_of(name).map(|name| &**name);
        let policy = terms.policies.project(name, project);
        let of_base = self.base_policies().map(|base| base.project(name, project));
        let holds = terms.guards.over(name, Some(project), organization);
        let holds: Vec<&Hold> = holds.collect();
        let one = Projects::Only(Arc::clone(project));
        self.sort(workspace, &one, &policy, of_base, &holds);
    }

    fn base_policies(&self) -> Option<&'a Policies<'a>> {
        match self.terms.base {
            Base::At { policies, .. } => policies,
            Base::NotNeeded | Base::Missing => None,
        }
    }

    /// Cuts the interval of one policy into what is due, what waits, and what is held.
    fn sort(
        &mut self,
        workspace: Workspace<'_>,
        projects: &Projects,
        policy: &Policy<'_>,
        of_base: Option<Policy<'_>>,
        holds: &[&Hold],
    ) {
        let terms = self.terms;
        let Some(proposed) = policy.bounds(terms.now) else {
            return;
        };
        let effective = match (&terms.base, of_base) {
            (Base::Missing, _) => None,
            (Base::NotNeeded, _) | (Base::At { .. }, None) => Some(proposed),
            (Base::At { .. }, Some(base)) => base
                .bounds(terms.now)
                .and_then(|base| proposed.intersect(base)),
        };
        let effective: Vec<Bounds> = effective.into_iter().collect();
        let waiting = proposed.gaps(&effective);
        let due = match terms.basis {
            Basis::Effective => effective,
            Basis::Proposed => vec![proposed],
        };
        let arms = |parts: Vec<Bounds>| {
            let parts = parts.into_iter().filter(|bounds| workspace.reaches(bounds));
            let pieces = (0..).zip(parts);
            pieces.map(|(piece, bounds)| Arm {
                piece,
                ..arm(workspace.name, projects.clone(), policy, bounds)
            })
        };
        let pause = terms.guards.pause_of(&self.target.table, workspace.name);
        let due = self.left_by(holds, &due);
        let waiting = self.left_by(holds, &waiting);
        self.found.held.extend(arms(due.held));
        self.found.waiting.extend(arms(waiting.left));
        match pause {
            None => self.found.due.extend(arms(due.left)),
            Some(_) => self.found.paused.extend(arms(due.left)),
        }
    }

    /// What holds leave of some intervals, which are in order and apart, and what they keep.
    fn left_by(&mut self, holds: &[&Hold], parts: &[Bounds]) -> Left {
        let mut left = parts.to_vec();
        let unit_ms = self.target.age.kind.unit_ms();
        for hold in holds {
            let (from_ms, until_ms) = hold.range.span_ms(unit_ms);
            let takes = |part: &Bounds| !part.without(from_ms, until_ms).eq([*part]);
            if parts.iter().any(takes) {
                self.found.holds.insert(hold.id);
            }
            left = left
                .into_iter()
                .flat_map(|part| part.without(from_ms, until_ms))
                .collect();
        }
        let held = parts.iter().flat_map(|part| {
            let inside: Vec<Bounds> = left
                .iter()
                .filter_map(|left| left.intersect(*part))
                .collect();
            part.gaps(&inside)
        });
        Left {
            held: held.collect(),
            left,
        }
    }
}

struct Left {
    left: Vec<Bounds>,
    held: Vec<Bounds>,
}

fn arm(workspace: &Arc<str>, projects: Projects, policy: &Policy<'_>, bounds: Bounds) -> Arm {
    Arm {
        rule: policy.trail.winner().map(|rule| rule.id),
        ..Arm::new(Arc::clone(workspace), projects, bounds)
    }
}

#[cfg(test)]
pub(super) mod tests;
