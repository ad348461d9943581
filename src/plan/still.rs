//! What is still due: the arms of a plan that later terms leave as they are.
//!
//! Invariant: nothing is added and no interval changes. What is kept is due under the later terms to
//! the row, as [`candidates`] says; whoever executes a plan may go on with it without another choice.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::{Arm, CensusRow, Step, Terms, candidates, for_everybody};
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// What later terms leave of some arms.
#[derive(Debug, Default)]
pub(crate) struct Still {
    /// What is due as it was planned, with the rules that it follows now.
    pub(crate) due: Vec<Arm>,
    /// What is not, or not so.
    pub(crate) left_out: Vec<Arm>,
}

/// Which arms on the last of some targets are due under these terms as well. The targets are those
/// of a shard in the order of work: a rule or hold that one cannot tell rows by leaves its workspace
/// alone there and in those after it.
///
/// Which piece of its policy an arm is does not matter: it stays in the statement that it is in.
pub(crate) fn still_due(arms: Vec<Arm>, targets: &[CheckedTarget], terms: &Terms<'_>) -> Still {
    let mut still = Still::default();
    let Some(target) = targets.last() else {
        still.left_out = arms;
        return still;
    };
    let unmatched = targets.iter().flat_map(|target| terms.unmatched(target));
    let alone: HashSet<Arc<str>> = unmatched.map(|unmatched| unmatched.workspace).collect();
    let due = candidates(target, &census(&arms), terms).due;
    let mut of_policy: HashMap<_, Vec<&Arm>> = HashMap::with_capacity(due.len());
    for arm in &due {
        of_policy.entry(policy(arm)).or_default().push(arm);
    }
    for arm in arms {
        let pieces = of_policy.get(&policy(&arm)).into_iter().flatten();
        let mut same =
            pieces.filter(|due| covers(due, &arm) && due.exceptions() == arm.exceptions());
        match same.next() {
            Some(due) if !alone.contains(&arm.workspace) => still.due.push(Arm {
                rule: due.rule,
                ..arm
            }),
            _ => still.left_out.push(arm),
        }
    }
    still
}

/// Whether whole partitions go under these terms as well: what was proven of them is inside of what
/// everybody's policies have in common now, nothing is held or paused, and nobody's rows are left
/// alone in the targets up to the last, theirs.
pub(crate) fn goes_whole(step: &Step, targets: &[CheckedTarget], terms: &Terms<'_>) -> bool {
    // They hold rows of workspaces of all slots.
    let of_all = Terms {
        slot: None,
        ..*terms
    };
    let is_inside = |(proven, common): (Bounds, Bounds)| proven.intersect(common) == Some(proven);
    step.expired
        .zip(for_everybody(terms).ok())
        .is_some_and(is_inside)
        && targets
            .iter()
            .all(|target| of_all.unmatched(target).is_empty())
}

/// Whether an interval that is due now is that of an arm. One that was cut was not one of its
/// policy's: it is enough that all of it is due.
fn covers(due: &Arm, arm: &Arm) -> bool {
    if arm.cut_from.is_some() {
        due.bounds.intersect(arm.bounds) == Some(arm.bounds)
    } else {
        due.bounds == arm.bounds
    }
}

/// Whose rows an arm takes, but for the projects that it leaves out.
fn policy(arm: &Arm) -> (&Arc<str>, Option<&Arc<str>>) {
    (&arm.workspace, arm.project())
}

/// The workspaces of some arms, with rows of any age: how old the oldest is decides nothing here.
fn census(arms: &[Arm]) -> Vec<CensusRow> {
    let mut workspaces: Vec<&Arc<str>> = arms.iter().map(|arm| &arm.workspace).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    let row = |workspace: &Arc<str>| CensusRow {
        workspace: Arc::clone(workspace),
        is_readable: true,
        n_rows: 0,
        n_undatable: 0,
        n_future: 0,
        oldest_ms: Some(i64::MIN),
    };
    workspaces.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests;
