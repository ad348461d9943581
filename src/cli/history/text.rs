//! Cycles and steps for people.

use serde::Deserialize as _;

use super::{CycleView, StepView};
use crate::cli::output::{counted, grouped, table};
use crate::cutoff::utc_day;
use crate::plan::{ASKED, Backfill, Bytes};

/// The cycles, each with its steps; in full with predicates, bounds and digests.
pub(super) fn describe(cycles: &[CycleView], in_full: bool) -> String {
    if cycles.is_empty() {
        return "no cycle is on record".into();
    }
    let cycles: Vec<String> = cycles.iter().map(|one| cycle(one, in_full)).collect();
    cycles.join("\n\n")
}

fn cycle(cycle: &CycleView, in_full: bool) -> String {
    let by = if cycle.holder.is_empty() {
        String::new()
    } else {
        format!(" by {}", cycle.holder)
    };
    let end = match (&cycle.status, cycle.ended_at) {
        (Some(status), Some(at)) => format!("{status} at {at}"),
        _ => "no end: it runs still, or its process died; the next cycle takes what it left".into(),
    };
    let rules = if cycle.rules_digest.is_empty() {
        "which have no part in it".to_owned()
    } else {
        format!("cutoffs are whole UTC days before {}", utc_day(cycle.as_of))
    };
    let mut text = format!(
        "cycle {}\n  began     {} ({}{by})\n  ended     {end}\n  rules     revision {}, {rules}\n",
        cycle.cycle, cycle.started_at, cycle.kind, cycle.revision
    );
    if let Some(slot) = &cycle.slot {
        text.push_str(&format!(
            "  slot      of {}, places {} to {}\n",
            slot.day, slot.range.from, slot.range.to
        ));
    }
    if let Some(asked) = &cycle.asked {
        text.push_str(&format!("  asked     {}\n", ask(asked)));
    }
    if in_full && !cycle.rules_digest.is_empty() {
        text.push_str(&format!("  digests   rules {}", cycle.rules_digest));
        if !cycle.plan_digest.is_empty() {
            text.push_str(&format!("\n            plan {}", cycle.plan_digest));
        }
        text.push('\n');
    }
    if cycle.steps.is_empty() {
        text.push_str("  no step");
        return text;
    }
    text.push_str(&steps(&cycle.steps));
    if in_full {
        for step in &cycle.steps {
            text.push_str("\n\n");
            text.push_str(&particulars(step));
        }
    }
    text
}

/// What a person asked for, and who.
fn ask(asked: &serde_json::Value) -> String {
    match Backfill::deserialize(asked) {
        Ok(backfill) => format!("for {backfill}, by {}", backfill.by),
        Err(_) => asked.to_string(),
    }
}

fn steps(steps: &[StepView]) -> String {
    let rows = steps.iter().map(|step| {
        [
            step.step.to_string(),
            step.table.clone(),
            format!("{} {}", method(step), step.shape),
            grouped(step.rows_before),
            step.rows_after.map_or_else(|| "?".into(), grouped),
            verdict(step),
            step.duration_ms.map_or_else(|| "-".into(), seconds),
            step.query_id.clone(),
        ]
    });
    table(
        [
            "step", "table", "method", "before", "after", "verdict", "took", "query id",
        ],
        &[0, 3, 4],
        rows,
    )
}

/// How it deletes. What whole partitions do is more than their name says.
fn method(step: &StepView) -> &str {
    match step.effect {
        "drop" | "move" => step.effect,
        _ => &step.method,
    }
}

fn verdict(step: &StepView) -> String {
    match &step.verdict {
        Some(verdict) => verdict.clone(),
        None => "no outcome on record".into(),
    }
}

fn seconds(duration_ms: u64) -> String {
    format!("{}.{:03} s", duration_ms / 1_000, duration_ms % 1_000)
}

fn particulars(step: &StepView) -> String {
    let mut lines = vec![
        format!("step {} on {}", step.step, step.shard),
        format!(
            "  policies  {}, statement {}",
            grouped(step.n_workspaces),
            step.statement_digest
        ),
        format!("  intended  {}", step.intended_at),
    ];
    lines.push(match (&step.verdict, step.finished_at) {
        (Some(verdict), Some(at)) => format!("  finished  {at}: {verdict}"),
        _ => "  finished  nobody knows: its process died, or is at work still. The statement may \
              have been sent; ClickHouse knows it by its query id"
            .into(),
    });
    if let Some(error) = &step.error {
        lines.push(format!("  error     {error}"));
    }
    for bound in step.bounds.as_array().into_iter().flatten() {
        lines.push(format!("  bound     {}", bound_line(bound)));
    }
    if !step.predicate.is_empty() {
        let predicate = step.predicate.replace('\n', "\n            ");
        lines.push(format!("  predicate {predicate}"));
    }
    lines.join("\n")
}

/// A rule of a step and the interval it stands for.
fn bound_line(bound: &serde_json::Value) -> String {
    let text = |key: &str| bound.get(key).and_then(serde_json::Value::as_str);
    let number = |key: &str| bound.get(key).and_then(serde_json::Value::as_u64);
    if let Some(partitions) = bound.get("partitions").and_then(|value| value.as_array()) {
        let ids = partitions.iter().filter_map(|id| id.as_str());
        let ids: Vec<&str> = ids.collect();
        return format!(
            "what is expired for everybody, before {}: all {} of partition{} {}",
            text("cutoff").unwrap_or("?"),
            counted(number("n_due").unwrap_or(0), "row"),
            if ids.len() == 1 { "" } else { "s" },
            ids.join(", ")
        );
    }
    if let Some(partition) = text("partition") {
        let size = |key: &str| Bytes(number(key).unwrap_or(0));
        return format!(
            "partition {partition}, {} dead, {} to rewrite",
            size("dead_bytes"),
            size("rewrite_bytes")
        );
    }
    let rule = match number("rule") {
        Some(ASKED) => "what was asked for".into(),
        Some(id) => format!("rule {id}"),
        None => "the default of the config".into(),
    };
    let retention = text("retention").map_or_else(String::new, |text| format!(" ({text})"));
    let from = text("from").map_or_else(String::new, |from| format!(" from {from} to"));
    let cutoff = text("cutoff").unwrap_or("?");
    let policies = number("n_policies").map_or_else(String::new, |n| {
        format!(", {} polic{}", grouped(n), if n == 1 { "y" } else { "ies" })
    });
    let due = number("n_due").map_or_else(String::new, |n| format!(", {}", counted(n, "row")));
    format!("{rule}{retention}:{from} before {cutoff}{policies}{due}")
}
