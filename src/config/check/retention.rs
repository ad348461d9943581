//! Periods, and how much a plan and a cycle may take.

use super::duration;
use crate::config::raw::{RawBudget, RawPlan, RawRetention};
use crate::plan::Budget;
use crate::rule::{Days, Periods, Retention};

pub(super) fn check_retention(
    raw: &RawRetention,
    problems: &mut Vec<String>,
) -> Option<(Periods, Retention)> {
    let floor = Days::parse(&raw.floor)
        .map_err(|error| problems.push(format!("retention.floor: {error}")))
        .ok()?;
    let mut named = Vec::new();
    for (name, text) in &raw.periods {
        // Each by itself, so that every one that is wrong is named.
        let checked = Days::parse(text)
            .and_then(|days| Periods::new([(name.as_str(), days)], floor).map(|_| days));
        match checked {
            Ok(days) => named.push((name.as_str(), days)),
            Err(error) => problems.push(format!("retention.periods.{name}: {error}")),
        }
    }
    let periods = Periods::new(named, floor)
        .map_err(|error| problems.push(format!("retention.periods: {error}")))
        .ok()?;
    let default = periods
        .retention(&raw.default)
        .map_err(|error| problems.push(format!("retention.default: {error}")))
        .ok()?;
    Some((periods, default))
}

pub(super) fn check_budget(budget: &RawBudget, problems: &mut Vec<String>) -> Budget {
    for (key, value) in [
        ("retention.budget.rows", budget.rows),
        ("retention.budget.statements", budget.statements),
    ] {
        if value == 0 {
            problems.push(format!("{key}: 0 would stop everything; write at least 1"));
        }
    }
    Budget {
        rows: budget.rows,
        statements: usize::try_from(budget.statements).unwrap_or(usize::MAX),
        time: duration("retention.budget.time", &budget.time, problems),
    }
}

pub(super) fn check_limits(plan: &RawPlan, problems: &mut Vec<String>) {
    let mut positive = |key: &str, value: u64| {
        if value == 0 {
            problems.push(format!("{key}: 0 would stop everything; write at least 1"));
        }
    };
    positive(
        "plan.workspaces_per_statement",
        plan.workspaces_per_statement,
    );
    positive("plan.rows_per_step", plan.rows_per_step);
    if !(16_384..=250_000).contains(&plan.statement_bytes) {
        problems.push(format!(
            "plan.statement_bytes: {} is outside 16384 to 250000 (the server's max_query_size is 262144)",
            plan.statement_bytes
        ));
    }
}
