//! What is left to do, table by table, as the latest plans and cycles saw it.
//!
//! A plan is for a slot, so what is known of a table is made of many looks at different places. They
//! are in the ledger: every instance says the same, whichever of them looked, also after a restart.
//!
//! Invariant: where nobody could look, what was seen last stands, however old it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attempts::overlap;
use super::cycle::Cycled;
use super::held::{HeldBack, held_back};
use super::world::World;
use super::{Sidecar, Stop, error_chain};
use crate::engine::{COSTS_OF, CycleReport, CycleStatus, StepOutcomeKind};
use crate::ledger::{LedgerError, Look};
use crate::plan::{Plan, StepCost, Unprobed};
use crate::slot::SlotRange;
use crate::telemetry::metric;
use crate::verify::Verdict;

/// What is left of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Left {
    /// Expired rows still there.
    pub(crate) n_rows: u64,
    /// Rows of those that are left to later cycles.
    pub(crate) n_deferred: u64,
    /// Whether they were too many to be counted: there are at most so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_uncounted: bool,
    /// Seconds from the oldest of them to its cutoff.
    pub(crate) lag_s: u64,
    /// Rows that wait for an approval, or for their armed time.
    pub(crate) n_waiting: u64,
    /// Partitions of the whole table that are left to a person.
    n_by_hand: u64,
    /// Rows of the whole table without an age.
    n_undatable: u64,
    /// Rows of the whole table from the future.
    n_future: u64,
    /// What held it back.
    pub(crate) held: Option<HeldBack>,
}

/// Tables of which nothing is to be said are not named.
type Tables = BTreeMap<String, Left>;

impl Sidecar {
    /// Notes and publishes what a cycle found and left; with the terms that are settled by it where
    /// all of it went. Returns why it could not be noted, if so.
    pub(super) async fn look_at(
        &self,
        plan: &Plan,
        range: SlotRange,
        cycled: &Cycled,
        terms: Option<String>,
        world: &World,
        stop: &Stop,
    ) -> Option<String> {
        let report = cycled.end.report();
        let is_settled = |report: &&CycleReport| {
            [CycleStatus::Done, CycleStatus::Partial].contains(&report.status)
        };
        let mut left = left(plan, report);
        let held = held_back(plan, cycled);
        for (table, held) in &held {
            left.entry(table.clone()).or_default().held = Some(held.clone());
        }
        let unseen = unseen(plan);
        let noted = async {
            let uncounted = uncounted(plan);
            if !unseen.is_empty() || !uncounted.is_empty() {
                let looks = self.ledger.looks().await?;
                keep_unseen(&mut left, &unseen, range, &looks);
                keep_uncounted(&mut left, &uncounted, &looks);
            }
            let look = Look {
                range,
                at: world.now,
                terms: report.filter(is_settled).and(terms).unwrap_or_default(),
                // A map of names and numbers: this cannot fail.
                body: serde_json::to_string(&left).unwrap_or_default(),
            };
            self.ledger.note_look(&look).await?;
            let looks = self.ledger.looks().await?;
            let is_left = |tables: &Tables| tables.values().any(|left| left.n_rows > 0);
            let costs = if seen(&looks).iter().any(is_left) {
                self.ledger.step_costs(world.now - COSTS_OF).await?
            } else {
                Vec::new()
            };
            Ok((looks, costs))
        };
        let unnoted = match stop.unless_told(noted).await {
            Some(Ok((looks, costs))) => {
                self.show_left(&looks);
                self.show_eta(&costs);
                None
            }
            Some::<Result<_, LedgerError>>(Err(error)) => {
                self.metrics.add(metric::LEDGER_ERRORS, &[], 1);
                let reason = format!("what was seen is not noted: {}", error_chain(&error));
                tracing::warn!("{reason}");
                Some(reason)
            }
            None => None,
        };
        let now = self.clock.now();
        self.board.write(|status| {
            for target in &mut status.targets {
                let held = held.get(&target.table);
                let by = held.map(|held| held.by.clone());
                target.hold(by, held.map(|held| held.reason.clone()), now);
            }
        });
        unnoted
    }

    /// Publishes when what is left should be gone, as steps of the past say.
    fn show_eta(&self, costs: &[StepCost]) {
        let now = self.clock.now();
        let most = self.live.borrow().config.pace.rows_per_second;
        self.board.write(|status| {
            let targets = status.targets.iter_mut();
            targets.for_each(|target| target.show_eta(costs, most, now));
        });
    }

    /// Publishes what all instances have seen.
    pub(super) fn show_left(&self, looks: &[Look]) {
        let seen = seen(looks);
        self.board.write(|status| {
            for target in &mut status.targets {
                let left = left_of(&seen, &target.table);
                target.show_left(&left);
                let label = [("table", target.table.as_str())];
                for (name, value) in [
                    (metric::BACKLOG, left.n_rows),
                    (metric::RETENTION_LAG, left.lag_s),
                    (metric::WAITING, left.n_waiting),
                    (metric::BY_HAND, left.n_by_hand),
                    (metric::UNDATABLE, left.n_undatable),
                    (metric::FUTURE, left.n_future),
                ] {
                    self.metrics.set_count(name, &label, value);
                }
            }
        });
    }
}

/// What is left of a table, as all instances have seen it.
pub(crate) fn left_everywhere(looks: &[Look], table: &str) -> Left {
    left_of(&seen(looks), table)
}

/// What held a table back when a cycle tried last, as all instances have seen it, and when that was.
pub(crate) fn held_last(looks: &[Look], table: &str) -> Option<(Timestamp, HeldBack)> {
    let held = |look: &Look| Some((look.at, read(look).remove(table)?.held?));
    looks
        .iter()
        .filter_map(held)
        .min_by_key(|(at, _)| Reverse(*at))
}

/// What looks have seen, the latest first.
fn seen<'l>(looks: impl IntoIterator<Item = &'l Look>) -> Vec<Tables> {
    let mut looks: Vec<&Look> = looks.into_iter().collect();
    looks.sort_by_key(|look| Reverse(look.at));
    looks.into_iter().map(read).collect()
}

/// What a look has seen; another version may have written something else.
fn read(look: &Look) -> Tables {
    serde_json::from_str(&look.body).unwrap_or_default()
}

/// What is left of a table at all places. What is counted in the whole table is as last seen, and so
/// is what held it back at any of them.
fn left_of(seen: &[Tables], table: &str) -> Left {
    let latest = seen.first().and_then(|tables| tables.get(table));
    let first = latest.cloned().unwrap_or_default();
    let others = seen.iter().skip(1).filter_map(|tables| tables.get(table));
    others.fold(first, |sum, left| Left {
        n_rows: sum.n_rows + left.n_rows,
        n_deferred: sum.n_deferred + left.n_deferred,
        is_uncounted: sum.is_uncounted || left.is_uncounted,
        lag_s: sum.lag_s.max(left.lag_s),
        n_waiting: sum.n_waiting + left.n_waiting,
        held: sum.held.or_else(|| left.held.clone()),
        // The slots of a day see the same ones, each only where something of its own is due.
        n_by_hand: sum.n_by_hand.max(left.n_by_hand),
        ..sum
    })
}

/// What is left of each table after a plan, or after its cycle.
fn left(plan: &Plan, report: Option<&CycleReport>) -> Tables {
    let mut tables = Tables::new();
    for table in &plan.tables {
        let left = tables.entry(table.table.to_string()).or_default();
        left.n_rows += table.n_due;
        left.lag_s = left.lag_s.max(u64::from(table.lag_s));
        left.n_undatable += table.totals.n_undatable.unwrap_or(0);
        left.n_future += table.totals.n_future.unwrap_or(0);
    }
    for paused in &plan.paused {
        tables.entry(paused.table.to_string()).or_default().n_rows += paused.n_rows;
    }
    for deferred in &plan.deferred {
        let left = tables.entry(deferred.table.to_string()).or_default();
        left.n_rows += deferred.n_rows;
        left.n_deferred += deferred.n_rows;
        let n_uncounted = deferred.n_uncounted.unwrap_or(0);
        left.n_rows += n_uncounted;
        left.n_deferred += n_uncounted;
        left.is_uncounted |= deferred.n_uncounted.is_some();
    }
    for waiting in &plan.waiting {
        tables
            .entry(waiting.table.to_string())
            .or_default()
            .n_waiting += waiting.n_rows;
    }
    for by_hand in &plan.by_hand {
        let n_partitions = u64::try_from(by_hand.partitions.len()).unwrap_or(u64::MAX);
        let left = tables.entry(by_hand.table.to_string()).or_default();
        left.n_by_hand += n_partitions;
    }
    for step in report.iter().flat_map(|report| &report.steps) {
        let left = tables.entry(step.table.to_string()).or_default();
        left.n_rows = left.n_rows.saturating_sub(step.n_deleted());
        left.lag_s = left.lag_s.max(u64::from(step.lag_s));
        if let StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) = step.outcome {
            // Rows may have come meanwhile.
            left.n_rows = left.n_rows.max(n_left);
        }
    }
    if report.is_some_and(|report| report.status == CycleStatus::Deferred) {
        // Whatever it sent is verified: what is left, but for what is paused, is left to later cycles.
        for (table, left) in &mut tables {
            let paused = plan.paused.iter().filter(|paused| *paused.table == **table);
            let n_paused = paused.map(|paused| paused.n_rows).sum();
            left.n_deferred = left.n_rows.saturating_sub(n_paused);
        }
    }
    // Nobody knows how old the oldest is of what was not counted.
    let is_none = |left: &&mut Left| left.n_rows == 0 && !left.is_uncounted;
    for left in tables.values_mut().filter(is_none) {
        left.lag_s = 0;
    }
    tables.retain(|_, left| *left != Left::default());
    tables
}

/// The tables that nobody could look at; not those of which only some workspaces are left alone, or
/// which are left alone after a look.
fn unseen(plan: &Plan) -> BTreeSet<&str> {
    let mut unseen: BTreeSet<&str> = BTreeSet::new();
    let is_unseen = |of: &&Unprobed| of.workspace.is_none() && !of.is_running;
    for unprobed in plan.unprobed.iter().filter(is_unseen) {
        match &unprobed.table {
            Some(table) => _ = unseen.insert(table),
            None => unseen.extend(plan.targets.iter().map(|target| &*target.target.table)),
        }
    }
    unseen
}

/// The tables that could not be counted whole.
fn uncounted(plan: &Plan) -> BTreeSet<&str> {
    let tables = plan.tables.iter();
    let uncounted = tables.filter(|table| table.totals.n_undatable.is_none());
    uncounted.map(|table| &*table.table).collect()
}

/// What was counted before in tables that could not be counted whole now.
fn keep_uncounted(tables: &mut Tables, uncounted: &BTreeSet<&str>, looks: &[Look]) {
    let seen = seen(looks);
    for table in uncounted {
        let now = tables.entry((*table).to_owned()).or_default();
        let was = left_of(&seen, table);
        now.n_undatable = now.n_undatable.max(was.n_undatable);
        now.n_future = now.n_future.max(was.n_future);
    }
    tables.retain(|_, left| *left != Left::default());
}

/// What was seen before of tables that could not be looked at now. Another shard may have been: the
/// larger number stands.
fn keep_unseen(tables: &mut Tables, unseen: &BTreeSet<&str>, range: SlotRange, looks: &[Look]) {
    let everywhere = seen(looks);
    let here = seen(looks.iter().filter(|look| overlap(look.range, range)));
    for table in unseen {
        let now = tables.entry((*table).to_owned()).or_default();
        let (of_table, was) = (left_of(&everywhere, table), left_of(&here, table));
        *now = Left {
            n_rows: now.n_rows.max(was.n_rows),
            n_deferred: now.n_deferred.max(was.n_deferred),
            is_uncounted: now.is_uncounted || was.is_uncounted,
            lag_s: now.lag_s.max(was.lag_s),
            n_waiting: now.n_waiting.max(was.n_waiting),
            n_by_hand: now.n_by_hand.max(was.n_by_hand),
            n_undatable: now.n_undatable.max(of_table.n_undatable),
            n_future: now.n_future.max(of_table.n_future),
            held: now.held.take(),
        };
    }
    tables.retain(|_, left| *left != Left::default());
}

#[cfg(test)]
mod tests;
