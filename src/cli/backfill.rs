//! `ebbtide backfill`: deletes what is older than an age from one scope, once, whatever the rules say.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::output::counted;
use super::plan::{describe as describe_plan, overview};
use super::run::describe;
use super::scope::{ScopeArgs, check_project};
use super::turn::{self, Turn};
use super::{Context, Exit, Output, confirm, context, holds, left, plan, progress, run};
use crate::config::Config;
use crate::engine::{
    Backfilled, CycleReport, CycleStatus, Engine, EngineError, PlanRequest, Tenure, error_chain,
};
use crate::ledger::Ledger;
use crate::plan::{Backfill, Plan, TableRows};
use crate::rule::{Days, Periods, Scope};

/// Delete what is older than an age from one scope, once, whatever the rules say.
#[derive(Debug, Args)]
#[command(
    override_usage = "ebbtide backfill (--organization <O> | --workspace <W> [--project <P>]) --older-than <AGE> [--target <T>]... [--dry-run | --yes]"
)]
pub struct BackfillArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Rows older than this: whole days such as 60d, or the name of a period.
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    older_than: String,
    /// Only from this table; may be given several times.
    #[arg(long = "target", value_name = "T", allow_hyphen_values = true)]
    targets: Vec<String>,
    /// Only show what would go, and how.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask before deleting.
    #[arg(long)]
    yes: bool,
    /// Allow this share of a table to go in one day, instead of the configured one.
    #[arg(long, value_name = "SHARE", value_parser = run::share)]
    max_share_of_table: Option<f64>,
}

pub(super) async fn run(
    args: &BackfillArgs,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut config = context.config()?;
    if let Some(share) = args.max_share_of_table {
        config.limits.max_share_of_table = share;
    }
    let backfill = asked(args, &config)?;
    if !args.dry_run && !args.yes {
        confirm::check_somebody_is_there("delete, or --dry-run to look")?;
    }
    let ledger = context.ledger(&config).await?;
    check_organization(&backfill.scope, &*ledger, &config).await?;
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let engine = engine
        .only(&backfill.targets)
        .map_err(|table| no_target(&table))?;
    // The cutoffs are those of this moment, however long it takes.
    let request = PlanRequest::of_backfill(backfill.clone(), context.now());
    if args.dry_run {
        return dry_run(&engine, &request, output).await;
    }
    if !args.yes
        && let Some(exit) = ask(&engine, &request, &backfill, output).await?
    {
        return Ok(exit);
    }
    let mut turn = Turn::begin(&config, &ledger).await?;
    let worked = turn
        .work_in_turns(async |tenure, stop| Box::pin(work(&engine, &request, tenure, stop)).await)
        .await;
    turn.end().await;
    let Backfilled { plan, report, why } = match worked? {
        Some(Ok(done)) => done,
        Some(Err(error)) => return run::refused(error, output),
        None => return Ok(Exit::Incomplete),
    };
    let view = BackfillView {
        backfill: &backfill,
        report: &report,
        reason: why.as_ref().map(|why| error_chain(why)),
        held: &plan.held,
        paused: &plan.paused,
    };
    output.result(&view, |view| {
        format!("{backfill}\n{}", describe(&plan, view.report))
    })?;
    if let Some(reason) = view.reason.filter(|_| report.status == CycleStatus::Failed) {
        progress::warn(&format!(
            "{reason}; what was deleted before is above, and the same command goes on"
        ));
    }
    Ok(exit_of(&plan, &report))
}

/// Cycle after cycle; between them others may have the lease.
async fn work(
    engine: &Engine,
    request: &PlanRequest,
    tenure: &mut Tenure,
    stop: &CancellationToken,
) -> Result<Backfilled, EngineError> {
    let mut backfilling = engine.backfill(request);
    while backfilling.cycle(tenure, stop).await? {
        if let Err(error) = turn::give_way(tenure, stop).await {
            backfilling.fail(error)?;
            break;
        }
    }
    backfilling.end().ok_or(EngineError::Stopped)
}

/// What was asked for, and what came of it.
#[derive(Serialize)]
struct BackfillView<'a> {
    backfill: &'a Backfill,
    #[serde(flatten)]
    report: &'a CycleReport,
    /// What ended it before its time, after some cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    held: &'a [TableRows],
    paused: &'a [TableRows],
}

fn asked(args: &BackfillArgs, config: &Config) -> anyhow::Result<Backfill> {
    let scope = args.scope.scope()?;
    let older_than = age(&args.older_than, &config.periods).context("--older-than")?;
    let mut of_targets = config.clone();
    let is_asked = |table: &String| args.targets.is_empty() || args.targets.contains(table);
    of_targets.targets.retain(|target| is_asked(&target.table));
    check_project(&scope, "backfill", &of_targets)?;
    Ok(Backfill {
        by: context::user_name(),
        scope,
        older_than,
        targets: args.targets.clone(),
    })
}

/// Days, or the name of a period.
fn age(text: &str, periods: &Periods) -> anyhow::Result<Days> {
    let period = periods.named().find(|(name, _)| &***name == text);
    match period {
        Some((_, days)) => Ok(days),
        None => Ok(Days::parse(text)?),
    }
}

fn no_target(table: &str) -> anyhow::Error {
    anyhow::anyhow!("{table:?} is no target; `targets` in the config names them")
}

/// An organization that nobody is in is a slip of the pen: nothing would go, and nobody would know why.
async fn check_organization(
    scope: &Scope,
    ledger: &dyn Ledger,
    config: &Config,
) -> anyhow::Result<()> {
    if let Scope::Organization(name) = scope
        && !holds::has_workspaces(name, ledger, config).await?
    {
        bail!(
            "the directory places no workspace in organization {name:?}; `ebbtide workspaces list` \
             shows what it knows"
        );
    }
    Ok(())
}

async fn dry_run(
    engine: &Engine,
    request: &PlanRequest,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let plan = match engine.plan(request).await {
        Ok(plan) => plan,
        Err(error) => return run::refused(error, output),
    };
    output.result(&plan, describe_plan)?;
    Ok(plan::exit_of(&plan))
}

/// Shows the counts and asks; returns how the process ends if it does not go on.
async fn ask(
    engine: &Engine,
    request: &PlanRequest,
    backfill: &Backfill,
    output: &mut Output,
) -> anyhow::Result<Option<Exit>> {
    let plan = match engine.plan(request).await {
        Ok(plan) => plan,
        Err(error) => return run::refused(error, output).map(Some),
    };
    if plan.steps.is_empty() || !plan.refusals.is_empty() {
        output.result(&plan, describe_plan)?;
        let exit = plan::exit_of(&plan);
        let is_paused = exit == Exit::Done && !plan.paused.is_empty();
        return Ok(Some(if is_paused { Exit::Busy } else { exit }));
    }
    progress::clear();
    progress::say(&format!("{}{}", overview(&plan), left::left_out(&plan)));
    let more = if plan.is_uncounted() {
        " and more, uncounted,"
    } else {
        ""
    };
    let question = format!(
        "Delete {}{more} for ever: {backfill}?",
        counted(plan.n_due().saturating_add(plan.n_deferred()), "row")
    );
    Ok((!confirm::is_confirmed(&question)?).then_some(Exit::Refused))
}

/// How the process ends. The same command goes on with what is left.
fn exit_of(plan: &Plan, report: &CycleReport) -> Exit {
    let why = match report.status {
        CycleStatus::Failed => return Exit::Incomplete,
        CycleStatus::Done | CycleStatus::Partial if plan.paused.is_empty() => return Exit::Done,
        CycleStatus::Done | CycleStatus::Partial => "rows that are paused are left".into(),
        CycleStatus::Stopped => "stopped before the end".into(),
        status => format!("it ended as {}", status.as_str()),
    };
    progress::warn(&format!("{why}; the same command goes on"));
    Exit::Busy
}
