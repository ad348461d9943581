//! `ebbtide apply`: approves a plan that was written for review, and executes exactly that plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::turn::Turn;
use super::{Context, Exit, Output, progress, run};
use crate::engine::CycleStatus;
use crate::plan::Plan;

/// Approve a plan that `plan --out` wrote, and execute exactly that plan.
///
/// It is refused if the world is no longer the one that it was made from: rules, settings, directory,
/// holds, pauses or targets; and if the file was edited.
#[derive(Debug, Args)]
pub struct Apply {
    /// The file.
    pub file: PathBuf,
    /// Allow this share of a table to go in one day, instead of the configured one.
    #[arg(long, value_name = "SHARE", value_parser = run::share)]
    pub max_share_of_table: Option<f64>,
}

pub(super) async fn run(
    args: &Apply,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut config = context.config()?;
    if let Some(share) = args.max_share_of_table {
        config.limits.max_share_of_table = share;
    }
    let plan = read(&args.file)?;
    let ledger = context.ledger(&config).await?;
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let turn = Turn::begin(&config, &ledger).await?;
    let applied = turn
        .work(engine.apply_reviewed(
            &plan,
            &super::context::user_name(),
            &turn.tenure,
            &turn.stop,
        ))
        .await;
    turn.end().await;
    let applied = applied?;
    let report = match applied {
        Some(Ok(report)) => report,
        Some(Err(error)) => return run::refused(error, output),
        None => return Ok(Exit::Incomplete),
    };
    output.result(&report, |report| run::describe(&plan, report))?;
    if report.status == CycleStatus::Stale {
        let changes = engine.changes_since(&plan).await?;
        progress::warn(&format!(
            "the plan became stale on the way, and what was left of it was not sent; make another one\n  {}",
            changes.join("\n  ")
        ));
        return Ok(Exit::Refused);
    }
    Ok(run::exit_of(&report))
}

/// Reads what `plan --out` wrote. The statements in it are for people.
fn read(file: &Path) -> anyhow::Result<Plan> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {shown}; `ebbtide plan --out FILE` writes a plan"))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{shown} is no plan of this version; `ebbtide plan --out FILE` writes one")
    })
}
