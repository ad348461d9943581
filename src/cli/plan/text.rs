//! A plan for people.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cli::left::{by_hand, left_out};
use crate::cli::output::{counted, grouped, table};
use crate::cutoff::utc_day;
use crate::plan::{ASKED, Ages, Basis, Bytes, Extent, Plan, PlannedRule, Step, TablePlan};
use crate::rule::RuleId;

/// A plan for people: per table what is there, per rule what goes, and what is left alone.
pub(in crate::cli) fn describe(plan: &Plan) -> String {
    let mut text = overview(plan);
    let left_out = left_out(plan);
    if plan.steps.is_empty() {
        text.push_str(if !left_out.is_empty() {
            "\nno statement will be sent\n"
        } else if plan.unprobed.is_empty() {
            "\nnothing is due: no statement will be sent\n"
        } else {
            "\nno statement will be sent: nothing is due where that is known\n"
        });
    } else {
        text.push_str(&by_rule(plan));
    }
    let unreadable: u64 = plan
        .tables
        .iter()
        .filter_map(|table| table.totals.n_unreadable)
        .sum();
    if unreadable > 0 {
        text.push_str(&format!(
            "\n{} stay: their workspace is NULL or no UTF-8, so no rule can mean them\n",
            counted(unreadable, "row")
        ));
    }
    if !plan.by_hand.is_empty() {
        text.push_str(&format!("\n{}", by_hand(plan)));
    }
    for unprobed in &plan.unprobed {
        let table = unprobed.table.as_deref().unwrap_or("every table");
        text.push_str(&format!(
            "\nleft alone: {table} on {}: {}\n",
            unprobed.shard, unprobed.reason
        ));
    }
    if !left_out.is_empty() {
        text.push_str(&format!("\n{left_out}"));
    }
    for refusal in &plan.refusals {
        text.push_str(&format!("\nrefused: {refusal}\n"));
    }
    text.trim_end().to_owned()
}

/// What only a look at the whole table tells; a cycle needs none.
fn if_counted(number: Option<u64>) -> String {
    number.map_or_else(|| NOTHING.into(), grouped)
}

/// What nobody counted, or is not there.
const NOTHING: &str = "–";

fn bytes(extent: Extent) -> String {
    let bytes = extent.n_bytes.map(|n_bytes| Bytes(n_bytes).to_string());
    bytes.unwrap_or_else(|| NOTHING.into())
}

fn day(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NOTHING.into(), utc_day)
}

/// Per table what is there, and how much of it goes.
pub(in crate::cli) fn overview(plan: &Plan) -> String {
    let review = match (&plan.backfill, plan.basis) {
        (Some(backfill), _) => format!("a backfill, whatever the rules say: {backfill}\n"),
        (None, Basis::Effective) => String::new(),
        (None, Basis::Proposed) => format!(
            "for review: by the rules of now, revision {}, approved or not\n",
            plan.revision
        ),
    };
    let mut text = format!(
        "{review}as of {} (cutoffs are whole UTC days before {})\n\n",
        plan.as_of, plan.day
    );
    let rows = plan.tables.iter().map(|table| {
        [
            name(plan, &table.shard, &table.table),
            if_counted(table.totals.n_workspaces),
            grouped(table.totals.n_rows),
            grouped(table.n_due),
            bytes(table.extent),
            day(table.extent.oldest),
            day(table.extent.newest),
            grouped(table.n_kept),
            if_counted(table.totals.n_undatable),
            if_counted(table.totals.n_future),
            plan.steps
                .iter()
                .filter(|step| is_of(step, &table.shard, &table.table))
                .count()
                .to_string(),
        ]
    });
    text.push_str(&table(
        [
            "table",
            "workspaces",
            "rows",
            "due",
            "bytes",
            "oldest",
            "newest",
            "kept",
            "undatable",
            "future",
            "statements",
        ],
        &[1, 2, 3, 4, 7, 8, 9, 10],
        rows,
    ));
    text.push('\n');
    text
}

/// The name of a table, with its shard if there are several.
pub(in crate::cli) fn name(plan: &Plan, shard: &str, table: &str) -> String {
    let first = plan.tables.first();
    let is_of_first = |table: &TablePlan| Some(&table.shard) == first.map(|first| &first.shard);
    if plan.tables.iter().all(is_of_first) {
        table.to_owned()
    } else {
        format!("{table} on {shard}")
    }
}

fn is_of(step: &Step, shard: &str, table: &str) -> bool {
    *step.shard == *shard && *step.table == *table
}

/// Per table and rule: who, why, how many rows, and by which statements.
fn by_rule(plan: &Plan) -> String {
    #[derive(Default)]
    struct Sum {
        n_arms: u64,
        n_due: u64,
        n_kept: u64,
        ages: Ages,
        steps: Vec<u32>,
    }
    let mut sums: Vec<((String, Option<RuleId>), Sum)> = Vec::new();
    let mut index: BTreeMap<(String, Option<RuleId>), usize> = BTreeMap::new();
    for step in &plan.steps {
        for arm in &step.arms {
            let key = (name(plan, &step.shard, &step.table), arm.rule);
            let at = *index.entry(key.clone()).or_insert_with(|| {
                sums.push((key, Sum::default()));
                sums.len() - 1
            });
            let Some((_, sum)) = sums.get_mut(at) else {
                continue;
            };
            sum.n_arms += 1;
            sum.n_due += arm.n_due;
            sum.n_kept += arm.n_kept;
            sum.ages = sum.ages.and(arm.ages());
            if sum.steps.last() != Some(&step.number) {
                sum.steps.push(step.number);
            }
        }
    }
    let rule = |id: Option<RuleId>| plan.rules.iter().find(|rule| rule.rule == id);
    let rows = sums.into_iter().map(|((table, id), sum)| {
        let of_rule = Extent::of(None, sum.ages);
        [
            table,
            id.filter(|id| *id != ASKED)
                .map_or_else(|| "-".into(), |id| id.to_string()),
            rule(id).map_or_else(String::new, why),
            grouped(sum.n_arms),
            grouped(sum.n_due),
            day(of_rule.oldest),
            day(of_rule.newest),
            grouped(sum.n_kept),
            sum.steps
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ]
    });
    let mut text = String::from("\nwhat goes, and by which rule\n");
    text.push_str(&table(
        [
            "table", "rule", "because", "policies", "due", "oldest", "newest", "kept", "steps",
        ],
        &[1, 3, 4, 7],
        rows,
    ));
    text.push('\n');
    text.push_str(&by_step(plan));
    text
}

/// How each step deletes, and why so.
fn by_step(plan: &Plan) -> String {
    let mut text = String::from("\nhow\n");
    let rows = plan.steps.iter().map(|step| {
        [
            step.number.to_string(),
            name(plan, &step.shard, &step.table),
            step.method.as_str().to_owned(),
            grouped(step.n_due),
            bytes(step.extent),
            step.reason.to_string(),
        ]
    });
    text.push_str(&table(
        ["step", "table", "method", "due", "bytes", "why"],
        &[0, 3, 4],
        rows,
    ));
    let total = plan.steps.iter().map(|step| step.n_due).sum();
    let n_steps = u64::try_from(plan.steps.len()).unwrap_or(u64::MAX);
    text.push_str(&format!(
        "\n\n{} in {}\n",
        counted(total, "row"),
        counted(n_steps, "statement")
    ));
    text
}

fn why(rule: &PlannedRule) -> String {
    let past = if rule.apply_to_past {
        ""
    } else {
        ", only rows from its creation on"
    };
    format!("{}: {}{past}", rule.scope, rule.retention)
}
