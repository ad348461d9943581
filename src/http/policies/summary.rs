//! A policy in words.

use super::document::{Policy, WaitsFor};

pub(super) fn summary(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    let because = match &policy.rule {
        Some(rule) => format!("rule {} says so", rule.id),
        None => "no rule speaks for it, and this is the default".to_owned(),
    };
    lines.push(match &policy.cutoff {
        None => format!("rows are kept for ever: {because}"),
        Some(cutoff) => format!(
            "rows are kept for {}: {because}; those below {} are expired",
            policy.retention, cutoff.at
        ),
    });
    if let Some(from) = policy.cutoff.as_ref().and_then(|cutoff| cutoff.from) {
        lines.push(format!(
            "rows from before {from} stay: the rule does not apply to the past"
        ));
    }
    if !policy.own_projects.is_empty() {
        let n_projects = policy.own_projects.len();
        lines.push(format!(
            "{n_projects} of its projects have rules of their own"
        ));
    }
    if let Some(waiting) = &policy.waiting {
        let what = match waiting.waits_for {
            WaitsFor::Approval => "until a plan is approved",
            WaitsFor::Armed => "until the rules have been armed for long enough",
        };
        lines.push(match waiting.deleted_below {
            Some(below) => format!("those from {below} on wait {what}"),
            None => format!("all of them wait {what}"),
        });
    }
    for hold in &policy.holds {
        let range = match (hold.from, hold.until) {
            (None, None) => "all rows".to_owned(),
            (Some(from), None) => format!("rows from {from} on"),
            (None, Some(until)) => format!("rows before {until}"),
            (Some(from), Some(until)) => format!("rows from {from} to {until}"),
        };
        lines.push(format!("hold {} keeps {range}", hold.id));
    }
    for pause in &policy.pauses {
        lines.push(match &pause.target {
            Some(table) => format!("pause {} stops deletes from {table}", pause.id),
            None => format!("pause {} stops deletes", pause.id),
        });
    }
    let changes = policy.target_changes.iter();
    lines.extend(
        changes.map(|change| format!("rows wait where a target reaches further ({change})")),
    );
    if !policy.is_enabled {
        lines.push("the sidecar only plans: retention.enabled is false".into());
    }
    if let Some(row) = &policy.row {
        lines.push(row.reason().to_owned());
    }
    lines
}
