//! The budget of a cycle: who goes in this one, and who waits for the next.
//!
//! A workspace goes with all of its rows in all tables, or waits with all of them: so no parent goes
//! before its children. Only one that alone is more than the budget is cut: its oldest pieces go, and
//! of a parent table only what is older than all that waits in the tables before it.
//!
//! Where an earlier delete still runs nothing can be sent: its rows take nothing of the budget from
//! others. The most overdue workspace goes first, and always with something. Whoever is smaller goes
//! beside one that is too large, and after it a quarter of the rows is theirs: they do not wait for
//! many cycles for it. Nobody starves: what waits grows more overdue every day than what is done every
//! day can be, and so comes first in the end.

mod deferral;
mod order;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::deferral::Deferral;
use self::order::{Room, by_urgency, keep};
use super::steps::{Portion, Whole};
use super::{Arm, Limits, Step, TableInventory};

/// What one cycle may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Rows that it may delete. Dropping whole partitions is so cheap that their rows do not count.
    pub rows: u64,
    /// Statements that it may send.
    pub statements: usize,
    /// How long it may send statements.
    pub time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            rows: 200_000_000,
            statements: 400,
            time: Duration::from_mins(50),
        }
    }
}

/// Expired rows of one table that wait for another cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// How many.
    pub n_rows: u64,
    /// Of how many workspaces.
    pub n_workspaces: u64,
    /// At most so many more, which were too many to be counted; nothing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_uncounted: Option<u64>,
}

impl Deferred {
    /// What of a table was not counted, if anything.
    pub(super) fn of_uncounted(inventory: &TableInventory) -> Option<Self> {
        let uncounted = inventory.uncounted?;
        Some(Self {
            shard: Arc::clone(&inventory.shard),
            table: Arc::clone(&inventory.table),
            n_rows: 0,
            n_workspaces: uncounted.n_workspaces,
            n_uncounted: Some(uncounted.n_at_most),
        })
    }

    /// Adds what was not counted of a table to what waits.
    pub(super) fn add_to(self, deferred: &mut Vec<Self>) {
        let is_its = |of: &&mut Self| of.shard == self.shard && of.table == self.table;
        match deferred.iter_mut().find(is_its) {
            Some(of_table) => {
                of_table.n_uncounted = self.n_uncounted;
                of_table.n_workspaces = of_table.n_workspaces.max(self.n_workspaces);
            }
            None => deferred.push(self),
        }
    }
}

/// So often fewer rows are tried until the statements are few enough.
const MOST_TRIES: u32 = 24;

/// The steps that are within the budget, and what waits.
pub(super) fn steps_within(
    mut portions: Vec<Portion<'_>>,
    limits: &Limits,
) -> (Vec<Step>, Vec<Deferred>) {
    let budget = limits.budget;
    let mut deferral = Deferral::default();
    let mut room = Room {
        most_rows: budget.rows,
        may_pass: true,
    };
    leave_out(&mut portions, room, &mut deferral);
    for _ in 0..MOST_TRIES {
        let packed = portions.iter_mut().map(|portion| portion.pack(limits));
        let n_steps: usize = packed.sum();
        if n_steps <= budget.statements || room.most_rows == 0 {
            break;
        }
        for portion in &mut portions {
            portion.unpack();
        }
        let fewer = fewer_rows(n_rows(&portions), budget.statements, n_steps);
        // Where that leaves nothing more out, still fewer do.
        room = Room {
            most_rows: if fewer < room.most_rows {
                fewer
            } else {
                room.most_rows / 2
            },
            may_pass: false,
        };
        leave_out(&mut portions, room, &mut deferral);
    }
    let mut steps = Vec::new();
    for mut portion in portions {
        if !portion.arms.is_empty() {
            portion.pack(limits);
        }
        portion.add_to(&mut steps);
    }
    (steps, deferral.into_tables())
}

/// About as many rows as that many statements take, and a little less.
fn fewer_rows(n_rows: u64, most: usize, n_steps: usize) -> u64 {
    let [most, n_steps] = [most, n_steps].map(|n| u128::try_from(n).unwrap_or(u128::MAX));
    let fewer = u128::from(n_rows).saturating_mul(most) * 15 / (n_steps.max(1) * 16);
    u64::try_from(fewer).unwrap_or(u64::MAX)
}

fn n_rows(portions: &[Portion<'_>]) -> u64 {
    let arms = portions.iter().flat_map(|portion| &portion.arms);
    arms.map(|arm| arm.n_due).sum()
}

/// Leaves out the least overdue until at most so many rows are left, or one piece. What can be sent
/// has the budget to itself, unless there is nothing else.
fn leave_out(portions: &mut [Portion<'_>], room: Room, deferral: &mut Deferral) {
    if n_rows(portions) <= room.most_rows {
        return;
    }
    let is_any_running = portions.iter().any(|portion| portion.is_running);
    let before = is_any_running.then(|| Saved::of(portions, deferral));
    deferral.keep_ready(portions);
    spend(portions, room, deferral);
    let is_nothing = |portion: &Portion<'_>| portion.arms.is_empty() && portion.whole.is_none();
    if let (true, Some(before)) = (portions.iter().all(is_nothing), before) {
        before.restore(portions, deferral);
        spend(portions, room, deferral);
    }
}

/// Keeps as many workspaces as there is room for. Nothing is spent on tables that have to wait
/// all the same, for children of the workspaces that are left out: what is left has all of it.
fn spend(portions: &mut [Portion<'_>], room: Room, deferral: &mut Deferral) {
    let has_whole = portions.iter().any(|portion| portion.whole.is_some());
    let mut before = has_whole.then(|| Saved::of(portions, deferral));
    loop {
        keep(portions, &by_urgency(portions, deferral), room, deferral);
        let waits = deferral.tables_that_wait(portions);
        let (false, Some(saved)) = (waits.is_empty(), before.take()) else {
            return;
        };
        saved.restore(portions, deferral);
        deferral.keep_out(portions, &waits);
        before = Some(Saved::of(portions, deferral));
    }
}

/// What portions had, to go back to it.
struct Saved {
    portions: Vec<(Vec<Arm>, Option<Whole>)>,
    deferral: Deferral,
}

impl Saved {
    fn of(portions: &[Portion<'_>], deferral: &Deferral) -> Self {
        let portions = portions.iter();
        let portions = portions.map(|portion| (portion.arms.clone(), portion.whole));
        Self {
            portions: portions.collect(),
            deferral: deferral.clone(),
        }
    }

    fn restore(self, portions: &mut [Portion<'_>], deferral: &mut Deferral) {
        *deferral = self.deferral;
        for (portion, (arms, whole)) in portions.iter_mut().zip(self.portions) {
            (portion.arms, portion.whole) = (arms, whole);
        }
    }
}

#[cfg(test)]
mod tests;
