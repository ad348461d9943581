//! What a plan leaves out, and what a person can do about it: rows that wait, are held, or paused.

use std::sync::Arc;

use super::output::counted;
use super::plan::name;
use crate::plan::{Basis, ByHand, Deferred, Plan, TableRows};

/// So many changes of targets are named.
const MOST_NAMED: usize = 10;

/// A line for each decision that is left to a person.
pub(super) fn by_hand(plan: &Plan) -> String {
    let line = |by_hand: &ByHand| {
        let name = name(plan, &by_hand.shard, &by_hand.table);
        format!("left to you: {name}: {}\n", by_hand.reason)
    };
    plan.by_hand.iter().map(line).collect()
}

/// A line for each kind of rows that a plan leaves out, with what to do about it.
pub(super) fn left_out(plan: &Plan) -> String {
    waiting(plan) + &kept_back(plan)
}

/// Rows that go by rules or targets which nobody approved, or that are not armed for long enough.
fn waiting(plan: &Plan) -> String {
    if plan.waiting.is_empty() && plan.target_changes.is_empty() {
        return String::new();
    }
    let mut text = changed(plan);
    let rows = if plan.waiting.is_empty() {
        "no rows yet".into()
    } else {
        rows(&plan.waiting)
    };
    text.push_str(&format!("waits: {rows}; {}\n", why_waiting(plan)));
    text
}

/// What of the targets makes rows wait.
fn changed(plan: &Plan) -> String {
    let since = plan.base_revision.unwrap_or_default();
    let named = plan.target_changes.iter().take(MOST_NAMED);
    let lines = named.map(|change| format!("changed since revision {since}: {change}\n"));
    let mut text: String = lines.collect();
    let n_more = plan.target_changes.len().saturating_sub(MOST_NAMED);
    if n_more > 0 {
        text.push_str(&format!("and {n_more} more changes of targets\n"));
    }
    text
}

/// Rows that are held or paused, or left to the next cycle.
pub(super) fn kept_back(plan: &Plan) -> String {
    let mut text = String::new();
    let of_budget = deferred(plan, |deferred| Some(deferred.n_rows).filter(|n| *n > 0));
    if !of_budget.is_empty() {
        text.push_str(&format!(
            "left to the next cycle: {}; this one is as large as retention.budget allows\n",
            rows(&of_budget)
        ));
    }
    let uncounted = deferred(plan, |deferred| deferred.n_uncounted);
    if !uncounted.is_empty() {
        text.push_str(&format!(
            "left to the next cycle, uncounted: at most {}; one look is as large as \
             clickhouse.probe_rows and clickhouse.probe_timeout allow\n",
            rows(&uncounted)
        ));
    }
    if !plan.held.is_empty() {
        let holds: Vec<String> = plan.holds.iter().map(|id| format!("hold {id}")).collect();
        text.push_str(&format!(
            "held: {}, by {}; `ebbtide holds list` says why\n",
            rows(&plan.held),
            holds.join(", ")
        ));
    }
    if !plan.paused.is_empty() {
        let pauses: Vec<String> = plan.pauses.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "paused: {} ({}); `ebbtide pause list` says why\n",
            rows(&plan.paused),
            pauses.join(", ")
        ));
    }
    text
}

/// What waits for the next cycle by one reason, table by table.
fn deferred(plan: &Plan, of: impl Fn(&Deferred) -> Option<u64>) -> Vec<TableRows> {
    let tables = plan.deferred.iter().filter_map(|deferred| {
        Some(TableRows {
            shard: Arc::clone(&deferred.shard),
            table: Arc::clone(&deferred.table),
            n_rows: of(deferred)?,
        })
    });
    tables.collect()
}

fn why_waiting(plan: &Plan) -> String {
    let armed = plan.armed_at.map(|at| format!("armed until {at}"));
    if plan.basis == Basis::Proposed {
        return armed.map_or_else(
            || "applying this plan approves them".into(),
            |armed| format!("{armed}; applying this plan approves them now"),
        );
    }
    let first = if plan.base_revision.is_none() {
        "nothing was approved yet"
    } else if !plan.target_changes.is_empty() {
        "they go by targets or rules that nobody approved yet"
    } else {
        "they go by rules that nobody approved yet"
    };
    match armed {
        Some(armed) => armed,
        None => format!(
            "{first}: look at `ebbtide plan --out plan.json`, then `ebbtide apply plan.json`"
        ),
    }
}

/// `30 rows of traces, 4 rows of spans`, the shards together.
fn rows(tables: &[TableRows]) -> String {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for table in tables {
        match sums.iter_mut().find(|(name, _)| *name == &*table.table) {
            Some((_, sum)) => *sum += table.n_rows,
            None => sums.push((&table.table, table.n_rows)),
        }
    }
    let parts: Vec<String> = sums
        .iter()
        .map(|(name, sum)| format!("{} of {name}", counted(*sum, "row")))
        .collect();
    parts.join(", ")
}
