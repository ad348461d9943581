//! What a plan leaves out, and what a person can do about it: rows that wait, are held, or paused.

use super::output::counted;
use crate::plan::{Basis, Plan, TableRows};

/// A line for each kind of rows that a plan leaves out, with what to do about it.
pub(super) fn left_out(plan: &Plan) -> String {
    waiting(plan) + &kept_back(plan)
}

/// Rows that go by rules which nobody approved, or that are not armed for long enough.
fn waiting(plan: &Plan) -> String {
    if plan.waiting.is_empty() {
        return String::new();
    }
    format!("waits: {}; {}\n", rows(&plan.waiting), why_waiting(plan))
}

/// Rows that are held or paused.
pub(super) fn kept_back(plan: &Plan) -> String {
    let mut text = String::new();
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
