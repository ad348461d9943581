//! `ebbtide run`: one full cycle now.

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::left::{by_hand, kept_back, left_out};
use super::output::{counted, grouped, table};
use super::turn::Turn;
use super::{Context, Exit, Output, progress};
use crate::engine::{CycleReport, CycleStatus, EngineError};
use crate::guard::PauseScope;
use crate::plan::{Basis, ByHand, Deferred, Plan, TableRows};
use crate::target::TargetChange;

/// One full cycle now: plan, delete, verify, record.
#[derive(Debug, Args)]
pub struct Run {
    /// Allow this share of a table to go in one day, instead of the configured one.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub max_share_of_table: Option<f64>,
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("write a number above 0 and at most 1, such as 0.8".into()),
    }
}

pub(super) async fn run(
    args: &Run,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut config = context.config()?;
    if let Some(share) = args.max_share_of_table {
        config.limits.max_share_of_table = share;
    }
    let ledger = context.ledger(&config).await?;
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let turn = Turn::begin(&config, &ledger).await?;
    let ran = Box::pin(turn.work(engine.run(&turn.tenure, &turn.stop))).await;
    turn.end().await;
    let (plan, report) = match ran? {
        Some(Ok(ran)) => ran,
        Some(Err(error)) => return refused(error, output),
        None => return Ok(Exit::Incomplete),
    };
    let view = RunView {
        report: &report,
        waiting: &plan.waiting,
        target_changes: &plan.target_changes,
        armed_at: plan.armed_at,
        deferred: &plan.deferred,
        held: &plan.held,
        paused: &plan.paused,
        by_hand: &plan.by_hand,
    };
    output.result(&view, |view| describe(&plan, view.report))?;
    Ok(match exit_of(&report) {
        Exit::Done if waits_for_the_first_approval(&plan) => Exit::Refused,
        Exit::Done if plan.pauses.contains(&PauseScope::Everything) => Exit::Busy,
        exit => exit,
    })
}

/// A cycle, and what it left out.
#[derive(Serialize)]
struct RunView<'a> {
    #[serde(flatten)]
    report: &'a CycleReport,
    waiting: &'a [TableRows],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    target_changes: &'a [TargetChange],
    armed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    deferred: &'a [Deferred],
    held: &'a [TableRows],
    paused: &'a [TableRows],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    by_hand: &'a [ByHand],
}

/// Nothing may be deleted, because nobody ever looked at a plan, although rows wait for that.
pub(super) fn waits_for_the_first_approval(plan: &Plan) -> bool {
    plan.is_unapproved() && !plan.waiting.is_empty()
}

/// What a guard refuses is a result for programs, and an error as well.
pub(super) fn refused(error: EngineError, output: &mut Output) -> anyhow::Result<Exit> {
    if output.is_json() {
        let result = match &error {
            EngineError::Refused { refusals } => {
                Some(json!({"status": "refused", "refusals": refusals}))
            }
            EngineError::Stale { changes } => Some(json!({"status": "stale", "changes": changes})),
            _ => None,
        };
        if let Some(result) = result {
            output.result(&result, |_| String::new())?;
        }
    }
    Err(error.into())
}

/// How the process ends after a cycle.
pub(super) fn exit_of(report: &CycleReport) -> Exit {
    match report.status {
        CycleStatus::Done | CycleStatus::Partial => Exit::Done,
        CycleStatus::Failed => Exit::Incomplete,
        CycleStatus::Stale => {
            progress::warn("rules kept changing; the rest waits for the next cycle");
            Exit::Busy
        }
        CycleStatus::Deferred => {
            progress::warn(
                "retention.budget is used up, or more is due than can be counted at once; the next cycle \
                 goes on",
            );
            Exit::Busy
        }
        CycleStatus::Stopped => {
            progress::warn("stopped before the end; the next cycle goes on");
            Exit::Busy
        }
        CycleStatus::LeaseLost => {
            progress::warn("the lease was lost, so nothing more was sent; the next cycle goes on");
            Exit::Busy
        }
    }
}

/// A cycle for people.
pub(super) fn describe(plan: &Plan, report: &CycleReport) -> String {
    let mut text = String::new();
    let left_out = match plan.basis {
        Basis::Effective => left_out(plan),
        // What waited is approved now.
        Basis::Proposed => kept_back(plan),
    };
    if report.steps.is_empty() {
        text.push_str(if !left_out.is_empty() {
            "no statement was sent\n"
        } else if report.unprobed.is_empty() {
            "nothing was due: no statement was sent\n"
        } else {
            "no statement was sent: nothing was due where that is known\n"
        });
    } else {
        let rows = report.steps.iter().map(|step| {
            [
                step.number.to_string(),
                step.table.to_string(),
                step.shape
                    .map_or("-", crate::compile::Shape::as_str)
                    .to_owned(),
                step.n_arms.to_string(),
                grouped(step.n_due),
                grouped(step.n_deleted()),
                progress::outcome(step),
            ]
        });
        text.push_str(&table(
            [
                "step", "table", "shape", "policies", "due", "deleted", "outcome",
            ],
            &[0, 3, 4, 5],
            rows,
        ));
        text.push('\n');
    }
    for unprobed in &report.unprobed {
        let table = unprobed.table.as_deref().unwrap_or("every table");
        text.push_str(&format!(
            "left alone: {table} on {}: {}\n",
            unprobed.shard, unprobed.reason
        ));
    }
    let n_statements = u64::try_from(report.n_statements()).unwrap_or(u64::MAX);
    text.push_str(&by_hand(plan));
    text.push_str(&left_out);
    text.push_str(&format!(
        "cycle {} {}: {} deleted by {}, cutoffs of {}",
        report.cycle,
        report.status.as_str(),
        counted(report.n_deleted(), "row"),
        counted(n_statements, "statement"),
        plan.day
    ));
    if report.status == CycleStatus::Deferred {
        let n_found = plan.n_due().saturating_add(plan.n_deferred());
        let n_gone = report.n_deleted().saturating_sub(report.n_before);
        let n_left = n_found.saturating_sub(n_gone);
        text.push_str(&match (plan.is_uncounted(), n_left) {
            (false, n_left) => format!("; {} left", counted(n_left, "row")),
            (true, 0) => "; more is left, uncounted".into(),
            (true, n_left) => format!("; {} left, and more uncounted", counted(n_left, "row")),
        });
    }
    text
}
