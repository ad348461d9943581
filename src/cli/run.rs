//! `ebbtide run`: one full cycle now.

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::context::user_name;
use super::output::{counted, grouped, table};
use super::{Context, Exit, Output, progress};
use crate::engine::{CycleReport, CycleStatus, EngineError, Tenure};
use crate::plan::Plan;

/// One full cycle now: plan, delete, verify, record.
#[derive(Debug, Args)]
pub struct Run {
    /// Allow this share of a table to go at once, instead of the configured one.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub max_share_of_table: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
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
    let engine = context.engine(&config).await?;
    let tenure = Tenure::begin(engine.ledger(), &holder(), config.serve.lease).await?;
    let ran = engine.run(&tenure, &CancellationToken::new()).await;
    tenure.release().await?;
    let (plan, report) = match ran {
        Ok(ran) => ran,
        Err(EngineError::Refused { refusals }) if output.is_json() => {
            output.result(&json!({"status": "refused", "refusals": refusals}), |_| {
                String::new()
            })?;
            return Err(EngineError::Refused { refusals }.into());
        }
        Err(error) => return Err(error.into()),
    };
    output.result(&report, |report| describe(&plan, report))?;
    if report.status == CycleStatus::Stale {
        progress::warn("rules kept changing; the rest waits for the next cycle");
    }
    Ok(exit_of(&report))
}

/// Who holds the lease: the user and the process.
pub(super) fn holder() -> String {
    format!("{} ({})", user_name(), std::process::id())
}

/// How the process ends after a cycle.
pub(super) fn exit_of(report: &CycleReport) -> Exit {
    match report.status {
        CycleStatus::Done => Exit::Done,
        CycleStatus::Failed => Exit::Incomplete,
        CycleStatus::Stale | CycleStatus::Stopped | CycleStatus::LeaseLost => Exit::Busy,
    }
}

/// A cycle for people.
pub(super) fn describe(plan: &Plan, report: &CycleReport) -> String {
    let mut text = String::new();
    if report.steps.is_empty() {
        text.push_str(if report.unprobed.is_empty() {
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
    text.push_str(&format!(
        "cycle {} {}: {} deleted by {}, cutoffs of {}",
        report.cycle,
        report.status.as_str(),
        counted(report.n_deleted(), "row"),
        counted(n_statements, "statement"),
        plan.day
    ));
    text
}
