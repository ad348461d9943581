//! `ebbtide pause` and `ebbtide resume`: stop deleting for a while, without touching a rule.

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::holds::said;
use super::output::table;
use super::{Context, Exit, Output, context};
use crate::config::Config;
use crate::guard::PauseScope;
use crate::ledger::{NewPause, PauseRecord};

/// Stop deleting: everything, one target, or one workspace.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "ebbtide pause (--all | --target <TABLE> | --workspace <W>) --reason <R>\n       ebbtide pause list [--history]"
)]
pub struct Pause {
    #[command(subcommand)]
    verb: Option<PauseVerb>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why, for whoever meets it later.
    #[arg(long, value_name = "R", allow_hyphen_values = true, required = true)]
    reason: Option<String>,
}

/// Delete again what was paused.
#[derive(Debug, Args)]
#[command(override_usage = "ebbtide resume (--all | --target <TABLE> | --workspace <W>)")]
pub struct Resume {
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Beside pausing itself.
#[derive(Debug, Subcommand)]
enum PauseVerb {
    /// List what is paused.
    List {
        /// Show pauses that have ended too.
        #[arg(long)]
        history: bool,
    },
}

#[derive(Debug, Args)]
#[group(id = "paused", required = true, multiple = false)]
struct ScopeArgs {
    /// Everything.
    #[arg(long)]
    all: bool,
    /// One target, by the name of its table.
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    target: Option<String>,
    /// One workspace.
    #[arg(long, value_name = "W", allow_hyphen_values = true)]
    workspace: Option<String>,
}

impl ScopeArgs {
    fn scope(&self) -> anyhow::Result<PauseScope> {
        Ok(match (self.all, &self.target, &self.workspace) {
            (true, None, None) => PauseScope::Everything,
            (false, Some(table), None) => PauseScope::Target(table.as_str().into()),
            (false, None, Some(name)) => PauseScope::Workspace(name.as_str().into()),
            _ => bail!("name one of --all, --target and --workspace"),
        })
    }
}

pub(super) async fn pause(
    args: &Pause,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    if let Some(PauseVerb::List { history }) = args.verb {
        return list(history, context, output).await;
    }
    let config = context.config()?;
    let scope = args.scope.scope()?;
    check_target(&scope, &config)?;
    let pause = NewPause {
        scope: scope.clone(),
        reason: said("reason", args.reason.as_deref().unwrap_or_default())?,
        created_at: context.now(),
    };
    let ledger = context.ledger(&config).await?;
    let by = context::user_name();
    let created = ledger.pause(&pause, by.as_str().into()).await?;
    // One scope is paused at most once; a second pause of it is the first.
    let pauses = ledger.pauses(false).await?;
    let is_earlier = |record: &&PauseRecord| created.is_repeated && record.id == created.id;
    let earlier = pauses.iter().find(is_earlier);
    let result = json!({"id": created.id, "was_paused_already": created.is_repeated});
    output.result(&result, |_| {
        earlier.map_or_else(|| begun(&scope), |earlier| paused_before(&scope, earlier))
    })?;
    Ok(Exit::Done)
}

fn begun(scope: &PauseScope) -> String {
    let flag = match scope {
        PauseScope::Everything => "--all".into(),
        PauseScope::Target(table) => format!("--target {table}"),
        PauseScope::Workspace(_) => "--workspace".to_owned(),
    };
    format!(
        "{scope} is paused; a statement that runs is not stopped. `ebbtide resume {flag}` ends it"
    )
}

fn paused_before(scope: &PauseScope, earlier: &PauseRecord) -> String {
    format!(
        "{scope} is paused already, since {} by {}: {}",
        earlier.pause.created_at, earlier.created_by, earlier.pause.reason
    )
}

pub(super) async fn resume(
    args: &Resume,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let scope = args.scope.scope()?;
    let ledger = context.ledger(&config).await?;
    let was_paused = ledger
        .resume(&scope, &context::user_name(), context.now())
        .await?;
    if !was_paused {
        // What is paused may have left the config; what is neither is a mistake.
        check_target(&scope, &config)?;
    }
    let left = ledger.pauses(false).await?;
    output.result(&json!({"was_paused": was_paused}), |_| {
        let mut text = if was_paused {
            format!("the pause of {scope} has ended")
        } else {
            format!("there is no pause of {scope} to end")
        };
        let still = left.iter().map(|record| record.pause.scope.to_string());
        let still: Vec<String> = still.collect();
        if !still.is_empty() {
            text.push_str(&format!("; still paused: {}", still.join(", ")));
        }
        text
    })?;
    Ok(Exit::Done)
}

fn check_target(scope: &PauseScope, config: &Config) -> anyhow::Result<()> {
    let PauseScope::Target(name) = scope else {
        return Ok(());
    };
    let tables: Vec<&str> = config.targets.iter().map(|t| t.table.as_str()).collect();
    if !tables.contains(&&**name) {
        bail!(
            "{name:?} is no target of the config; its targets are {}",
            tables.join(", ")
        );
    }
    Ok(())
}

/// A pause as it is printed.
#[derive(Debug, Serialize)]
struct PauseView<'a> {
    id: u64,
    /// `everything`, `target` or `workspace`.
    paused: &'static str,
    name: Option<&'a str>,
    reason: &'a str,
    created_at: Timestamp,
    created_by: &'a str,
    ended_at: Option<Timestamp>,
    ended_by: Option<&'a str>,
}

impl<'a> From<&'a PauseRecord> for PauseView<'a> {
    fn from(record: &'a PauseRecord) -> Self {
        let pause = &record.pause;
        Self {
            id: record.id,
            paused: pause.scope.kind(),
            name: pause.scope.name().map(|name| &**name),
            reason: &pause.reason,
            created_at: pause.created_at,
            created_by: &record.created_by,
            ended_at: record.ended.as_ref().map(|(at, _)| *at),
            ended_by: record.ended.as_ref().map(|(_, by)| by.as_str()),
        }
    }
}

async fn list(history: bool, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let pauses = context.ledger(&config).await?.pauses(history).await?;
    let views: Vec<PauseView<'_>> = pauses.iter().map(PauseView::from).collect();
    output.result(&views, |_| {
        if pauses.is_empty() {
            return "nothing is paused".into();
        }
        let rows = pauses.iter().map(|record| {
            let state = match &record.ended {
                Some((at, by)) => format!("ended {at} by {by}"),
                None => "in force".into(),
            };
            [
                record.pause.scope.to_string(),
                record.pause.reason.clone(),
                format!("{} by {}", record.pause.created_at, record.created_by),
                state,
            ]
        });
        table(["paused", "reason", "since", "state"], &[], rows)
    })?;
    Ok(Exit::Done)
}
