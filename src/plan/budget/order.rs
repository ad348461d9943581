//! Who goes in a cycle: the most overdue workspace, and whoever there is room for beside it.

use std::cmp::Reverse;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::deferral::Deferral;
use crate::plan::Arm;
use crate::plan::steps::Portion;

/// This part of the rows of a cycle is for those that fit whole beside one that does not.
const FOR_OTHERS: u64 = 4;

/// How many rows may go, and whose.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) most_rows: u64,
    /// Whether those that fit pass by those that do not. They take statements that others may need, so
    /// nobody does where statements are too many.
    pub(super) may_pass: bool,
}

/// Keeps the first of some workspaces, or the oldest pieces of it, and of the others whoever fits whole
/// in what is left.
pub(super) fn keep(
    portions: &mut [Portion<'_>],
    order: &[(Arc<str>, u64)],
    room: Room,
    deferral: &mut Deferral,
) {
    let Some(((first, of_first), others)) = order.split_first() else {
        return;
    };
    let mut n_taken = *of_first;
    if n_taken > room.most_rows {
        let for_others = if room.may_pass {
            room.most_rows / FOR_OTHERS
        } else {
            0
        };
        let of_others: u64 = fitting(others, for_others, true)
            .map(|(_, n_due)| n_due)
            .sum();
        let pieces = oldest(portions, first, room.most_rows - of_others);
        deferral.keep_pieces(portions, first, &pieces);
        n_taken = if room.may_pass {
            n_rows_of(portions, first)
        } else {
            room.most_rows
        };
    }
    let left = room.most_rows.saturating_sub(n_taken);
    let mut inside: HashSet<Arc<str>> = fitting(others, left, room.may_pass)
        .map(|(workspace, _)| Arc::clone(workspace))
        .collect();
    inside.insert(Arc::clone(first));
    deferral.keep_workspaces(portions, &inside);
}

/// The workspaces that fit in so many rows, the first ones first: up to one that does not, or past it.
fn fitting(
    order: &[(Arc<str>, u64)],
    mut n_left: u64,
    may_pass: bool,
) -> impl Iterator<Item = &(Arc<str>, u64)> {
    let mut is_full = false;
    order.iter().filter(move |(_, n_due)| {
        let fits = *n_due <= n_left && !is_full;
        if fits {
            n_left -= n_due;
        }
        is_full |= !fits && !may_pass;
        fits
    })
}

fn n_rows_of(portions: &[Portion<'_>], workspace: &str) -> u64 {
    let arms = portions.iter().flat_map(|portion| &portion.arms);
    let of_workspace = arms.filter(|arm| *arm.workspace == *workspace);
    of_workspace.map(|arm| arm.n_due).sum()
}

/// The workspaces with their rows, the most overdue first. That is the one that was cut, if any: what
/// made it so may be in the pieces that wait.
pub(super) fn by_urgency(portions: &[Portion<'_>], deferral: &Deferral) -> Vec<(Arc<str>, u64)> {
    let mut sums: HashMap<&Arc<str>, (u32, u64)> = HashMap::new();
    for arm in portions.iter().flat_map(|portion| &portion.arms) {
        let (lag_s, n_due) = sums.entry(&arm.workspace).or_default();
        *lag_s = (*lag_s).max(arm.lag_s);
        *n_due = n_due.saturating_add(arm.n_due);
    }
    let mut order: Vec<_> = sums.into_iter().collect();
    order.sort_unstable_by_key(|(workspace, (lag_s, _))| {
        let is_cut = deferral.is_cut(workspace);
        (Reverse((is_cut, *lag_s)), Arc::clone(workspace))
    });
    let rows = order.into_iter();
    rows.map(|(workspace, (_, n_due))| (Arc::clone(workspace), n_due))
        .collect()
}

/// The place of an arm: its portion, and its place in that.
pub(super) type Place = (usize, usize);

/// The oldest arms of a workspace, as many as are within so many rows.
fn oldest(portions: &[Portion<'_>], workspace: &str, most_rows: u64) -> HashSet<Place> {
    let mut arms: Vec<(i64, Place, u64)> = Vec::new();
    for (portion_at, portion) in portions.iter().enumerate() {
        for (at, arm) in portion.arms.iter().enumerate() {
            if *arm.workspace == *workspace {
                arms.push((oldest_ms(arm), (portion_at, at), arm.n_due));
            }
        }
    }
    arms.sort_unstable();
    let mut n_taken = 0_u64;
    let fits = |(_, _, n_due): &&(i64, Place, u64)| {
        n_taken = n_taken.saturating_add(*n_due);
        n_taken <= most_rows
    };
    let taken = arms.iter().take_while(fits);
    taken.map(|(_, place, _)| *place).collect()
}

/// No expired row of an arm is older, in Unix milliseconds.
pub(super) fn oldest_ms(arm: &Arm) -> i64 {
    let lag_ms = i64::from(arm.lag_s).saturating_add(1) * 1_000;
    let by_lag = arm.cutoff_ms().saturating_sub(lag_ms);
    by_lag.max(arm.bounds.from_ms.unwrap_or(i64::MIN))
}
