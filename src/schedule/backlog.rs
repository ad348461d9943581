//! What is left to do, table by table, as the latest plans and cycles saw it.
//!
//! A plan is for a slot, so what is known of a table is made of many looks at different places; a
//! new look takes the place of what it overlaps, and a look of long ago is forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::cycle::{Cycled, End};
use super::{Sidecar, error_chain};
use crate::engine::{CycleReport, EngineError, StepOutcomeKind};
use crate::plan::{Plan, Refusal};
use crate::slot::SlotRange;
use crate::telemetry::metric;
use crate::verify::Verdict;

/// A slot is looked at every day; what is older was some other instance's since.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(26);

/// The latest looks at all places.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    looks: Vec<Look>,
}

#[derive(Debug)]
struct Look {
    range: SlotRange,
    at: Timestamp,
    tables: BTreeMap<String, Left>,
}

/// What is left of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Expired rows still there.
    pub(super) n_rows: u64,
    /// Seconds from the oldest of them to its cutoff.
    pub(super) lag_s: u64,
    /// Rows that wait for an approval, or for their armed time.
    pub(super) n_waiting: u64,
}

/// What holds a table back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeldBack {
    by: &'static str,
    reason: String,
}

impl Backlog {
    fn look(&mut self, range: SlotRange, at: Timestamp, tables: BTreeMap<String, Left>) {
        self.looks.retain(|look| {
            let is_apart = look.range.to <= range.from || range.to <= look.range.from;
            let age = Duration::try_from(at.duration_since(look.at)).unwrap_or_default();
            is_apart && age < FORGOTTEN_AFTER
        });
        self.looks.push(Look { range, at, tables });
    }

    fn of(&self, table: &str) -> Left {
        let looks = self.looks.iter().filter_map(|look| look.tables.get(table));
        looks.fold(Left::default(), |sum, left| Left {
            n_rows: sum.n_rows + left.n_rows,
            lag_s: sum.lag_s.max(left.lag_s),
            n_waiting: sum.n_waiting + left.n_waiting,
        })
    }
}

impl Sidecar {
    /// Publishes what a cycle found and left, for metrics and status.
    pub(super) fn look_at(&mut self, plan: &Plan, range: SlotRange, cycled: &Cycled) {
        let report = match &cycled.end {
            End::Reported(report) => Some(report),
            _ => None,
        };
        self.backlog.look(range, plan.as_of, left(plan, report));
        let held = held_back(plan, cycled);
        let n_deleted = report.map_or(0, CycleReport::n_deleted);
        let totals = totals(plan);
        self.metrics.know_tables(totals.keys().map(String::as_str));
        for (table, [n_undatable, n_future]) in &totals {
            let label = [("table", table.as_str())];
            let left = self.backlog.of(table);
            for (name, value) in [
                (metric::BACKLOG, left.n_rows),
                (metric::RETENTION_LAG, left.lag_s),
                (metric::WAITING, left.n_waiting),
                (metric::UNDATABLE, *n_undatable),
                (metric::FUTURE, *n_future),
            ] {
                self.metrics.set_count(name, &label, value);
            }
        }
        let now = self.clock.now();
        self.board.write(|status| {
            for target in &mut status.targets {
                let left = self.backlog.of(&target.table);
                target.backlog_rows = left.n_rows;
                target.retention_lag_seconds = left.lag_s;
                target.eta = eta(left.n_rows, n_deleted, cycled.took, now);
                let held = held.get(&target.table);
                let by = held.map(|held| held.by.to_owned());
                target.hold(by, held.map(|held| held.reason.clone()), now);
            }
        });
    }
}

/// Rows without an age and from the future: they belong to no slot.
fn totals(plan: &Plan) -> BTreeMap<String, [u64; 2]> {
    let mut totals: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for table in &plan.tables {
        let [n_undatable, n_future] = totals.entry(table.table.to_string()).or_default();
        *n_undatable += table.totals.n_undatable;
        *n_future += table.totals.n_future;
    }
    totals
}

/// What is left of each table after a plan, or after its cycle.
fn left(plan: &Plan, report: Option<&CycleReport>) -> BTreeMap<String, Left> {
    let mut tables: BTreeMap<String, Left> = BTreeMap::new();
    for table in &plan.tables {
        let left = tables.entry(table.table.to_string()).or_default();
        left.n_rows += table.n_due;
        left.lag_s = left.lag_s.max(u64::from(table.lag_s));
    }
    for paused in &plan.paused {
        tables.entry(paused.table.to_string()).or_default().n_rows += paused.n_rows;
    }
    for waiting in &plan.waiting {
        tables
            .entry(waiting.table.to_string())
            .or_default()
            .n_waiting += waiting.n_rows;
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
    for left in tables.values_mut().filter(|left| left.n_rows == 0) {
        left.lag_s = 0;
    }
    tables
}

/// What holds each table back; the first reason stands.
fn held_back(plan: &Plan, cycled: &Cycled) -> BTreeMap<String, HeldBack> {
    let mut held: BTreeMap<String, HeldBack> = BTreeMap::new();
    let mut note = |table: &str, by, reason: String| {
        held.entry(table.to_owned())
            .or_insert(HeldBack { by, reason });
    };
    for unprobed in &plan.unprobed {
        let by = if unprobed.is_unreachable {
            "unreachable"
        } else if unprobed.reason.contains("still running") {
            "running_mutation"
        } else {
            "failed"
        };
        match &unprobed.table {
            Some(table) => note(table, by, unprobed.reason.clone()),
            None => plan
                .targets
                .iter()
                .for_each(|target| note(&target.target.table, by, unprobed.reason.clone())),
        }
    }
    match &cycled.end {
        End::Reported(report) => {
            for step in report.steps.iter().filter(|step| !step.is_verified()) {
                let reason = step.why();
                let by = match step.held_by {
                    Some(signal) => signal.as_str(),
                    None if reason.contains("still running") => "running_mutation",
                    None => "failed",
                };
                note(&step.table, by, reason);
            }
        }
        End::Failed(EngineError::Refused { refusals }) => {
            for refusal in refusals {
                match refusal {
                    Refusal::Share { table, .. }
                    | Refusal::Floor { table, .. }
                    | Refusal::Held { table, .. }
                    | Refusal::Paused { table, .. } => note(table, "refused", refusal.to_string()),
                    _ => plan
                        .tables
                        .iter()
                        .for_each(|table| note(&table.table, "refused", refusal.to_string())),
                }
            }
        }
        End::Failed(error) => {
            let by = if error.is_unreachable() {
                "unreachable"
            } else {
                "failed"
            };
            for table in &plan.tables {
                note(&table.table, by, error_chain(error));
            }
        }
        End::Rehearsed | End::Stopped | End::Abandoned => {}
    }
    for paused in &plan.paused {
        let reason = format!("{} expired rows are paused", paused.n_rows);
        note(&paused.table, "paused", reason);
    }
    for waiting in &plan.waiting {
        let reason = match plan.armed_at {
            Some(at) => format!(
                "{} rows wait; the rules of now are armed until {at}",
                waiting.n_rows
            ),
            None => format!("{} rows wait for an approval", waiting.n_rows),
        };
        note(&waiting.table, "approval", reason);
    }
    held
}

/// When so many rows will be gone, at the rate of a cycle that deleted some.
fn eta(n_left: u64, n_deleted: u64, took: Duration, now: Timestamp) -> Option<Timestamp> {
    if n_left == 0 || n_deleted == 0 {
        return None;
    }
    let ms = took.as_millis().saturating_mul(n_left.into()) / u128::from(n_deleted);
    let length = Duration::from_millis(u64::try_from(ms).ok()?);
    now.checked_add(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(backlog: &mut Backlog, from: u64, to: u64, hour: i64, n_rows: u64) {
        let left = Left {
            n_rows,
            lag_s: n_rows * 10,
            n_waiting: 1,
        };
        let at = Timestamp::from_second(hour * 3_600).unwrap();
        backlog.look(
            SlotRange { from, to },
            at,
            BTreeMap::from([("traces".to_owned(), left)]),
        );
    }

    #[test]
    fn looks_at_different_places_add_up_and_a_new_one_takes_the_place_of_an_old_one() {
        let mut backlog = Backlog::default();
        look(&mut backlog, 0, 10, 1, 5);
        look(&mut backlog, 10, 20, 2, 7);
        let both = Left {
            n_rows: 12,
            lag_s: 70,
            n_waiting: 2,
        };
        assert_eq!(backlog.of("traces"), both);
        assert_eq!(backlog.of("spans"), Left::default());
        look(&mut backlog, 5, 15, 3, 1);
        assert_eq!(backlog.of("traces").n_rows, 1);
        look(&mut backlog, 0, 5, 40, 2);
        assert_eq!(
            backlog.of("traces").n_rows,
            2,
            "the other is of the day before"
        );
    }

    #[test]
    fn the_time_left_follows_from_the_rate() {
        let now = Timestamp::from_second(0).unwrap();
        let at = eta(1_000, 100, Duration::from_secs(2), now);
        assert_eq!(at, Some(Timestamp::from_second(20).unwrap()));
        assert_eq!(eta(1_000, 0, Duration::from_secs(2), now), None);
        assert_eq!(eta(0, 5, Duration::from_secs(2), now), None);
    }
}
