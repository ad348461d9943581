//! `ebbtide holds`: what must not be deleted, whatever the rules say.

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::context::parse_instant;
use super::output::table;
use super::scope::{ScopeArgs, ScopeView, check_project};
use super::{Context, Exit, Output, context, progress};
use crate::config::{Config, DirectoryConfig};
use crate::guard::HoldRange;
use crate::ledger::{Deactivation, HoldRecord, Ledger, NewHold, read_directory};
use crate::rule::Scope;

/// Place, list and release holds: rows that must stay, whatever the rules say.
#[derive(Debug, Subcommand)]
pub enum Holds {
    /// Place a hold; from now on its rows stay.
    Add(Add),
    /// List the holds that are in force.
    List {
        /// Show released holds too.
        #[arg(long)]
        history: bool,
    },
    /// Release a hold; it stays in the history, and the rules act on its rows again.
    Release {
        /// Its number.
        id: u64,
    },
}

/// Place a hold; from now on its rows stay.
#[derive(Debug, Args)]
#[command(
    override_usage = "ebbtide holds add (--organization <O> | --workspace <W> [--project <P>]) --reason <R> [--owner <O>] [--from <T>] [--until <T>]"
)]
pub struct Add {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why, for whoever meets it later.
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    reason: String,
    /// Who answers for it; you, if not given.
    #[arg(long, value_name = "O", allow_hyphen_values = true)]
    owner: Option<String>,
    /// Only rows of this instant or day and later ones.
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// Only rows from before this instant or day.
    #[arg(long, value_name = "T")]
    until: Option<String>,
}

pub(super) async fn run(
    verb: &Holds,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    match verb {
        Holds::Add(args) => add(args, context, output).await,
        Holds::List { history } => list(*history, context, output).await,
        Holds::Release { id } => release(*id, context, output).await,
    }
}

async fn add(args: &Add, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let scope = args.scope.scope()?;
    check_project(&scope, "hold", &config)?;
    let user = context::user_name();
    let hold = NewHold {
        scope,
        range: range(args)?,
        reason: said("reason", &args.reason)?,
        owner: match &args.owner {
            Some(owner) => said("owner", owner)?,
            None => user.clone(),
        },
        created_at: context.now(),
    };
    let ledger = context.ledger(&config).await?;
    let created = ledger.place_hold(&hold, user.as_str().into()).await?;
    if let Scope::Organization(name) = &hold.scope {
        // The hold is placed, whatever comes of this.
        match has_workspaces(name, &*ledger, &config).await {
            Ok(true) => {}
            Ok(false) => progress::warn(&format!(
                "the directory places no workspace in organization {name:?}: the hold keeps nothing yet"
            )),
            Err(error) => progress::warn(&format!("the directory cannot be asked: {error}")),
        }
    }
    output.result(&json!({"id": created.id}), |_| {
        format!(
            "hold {}: {} of {} stay until it is released",
            created.id,
            rows(hold.range),
            hold.scope
        )
    })?;
    Ok(Exit::Done)
}

/// Whether the directory places a workspace in an organization.
pub(super) async fn has_workspaces(
    organization: &str,
    ledger: &dyn Ledger,
    config: &Config,
) -> anyhow::Result<bool> {
    let mut found = false;
    let visit = &mut |_, name: String| found |= name == organization;
    match &config.directory {
        Some(DirectoryConfig { database, query }) => {
            read_directory(&database.url, database.password.clone(), query, visit).await?;
        }
        None => ledger.each_workspace(visit).await?,
    }
    Ok(found)
}

fn range(args: &Add) -> anyhow::Result<HoldRange> {
    let instant = |text: &Option<String>| text.as_deref().map(parse_instant).transpose();
    let (from, until) = (instant(&args.from)?, instant(&args.until)?);
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        bail!(
            "no row is of {from} or later and from before {until}; --until must be later than --from"
        );
    }
    Ok(HoldRange { from, until })
}

/// A text that says something.
pub(super) fn said(what: &str, text: &str) -> anyhow::Result<String> {
    if text.trim().is_empty() {
        bail!("--{what} is empty; whoever meets this later will want to know");
    }
    Ok(text.to_owned())
}

/// The rows that a hold keeps, in a few words.
pub(super) fn rows(range: HoldRange) -> String {
    match (range.from, range.until) {
        (None, None) => "all rows".into(),
        (Some(from), None) => format!("rows from {from} on"),
        (None, Some(until)) => format!("rows before {until}"),
        (Some(from), Some(until)) => format!("rows from {from} to before {until}"),
    }
}

/// A hold as it is printed.
#[derive(Debug, Serialize)]
struct HoldView {
    id: u64,
    #[serde(flatten)]
    scope: ScopeView,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    reason: String,
    owner: String,
    created_at: Timestamp,
    created_by: String,
    released_at: Option<Timestamp>,
    released_by: Option<String>,
}

impl From<&HoldRecord> for HoldView {
    fn from(record: &HoldRecord) -> Self {
        let hold = &record.hold;
        let (released_at, released_by) = record.released.clone().unzip();
        Self {
            id: record.id,
            scope: ScopeView::from(&hold.scope),
            from: hold.range.from,
            until: hold.range.until,
            reason: hold.reason.clone(),
            owner: hold.owner.clone(),
            created_at: hold.created_at,
            created_by: record.created_by.clone(),
            released_at,
            released_by,
        }
    }
}

async fn list(history: bool, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let holds = context.ledger(&config).await?.holds(history).await?;
    let views: Vec<HoldView> = holds.iter().map(HoldView::from).collect();
    output.result(&views, |_| {
        if holds.is_empty() {
            return "no holds; `ebbtide holds add --workspace W --reason R` places one".into();
        }
        let lines = holds.iter().map(|record| {
            let hold = &record.hold;
            let state = match &record.released {
                Some((at, by)) => format!("released {at} by {by}"),
                None => "in force".into(),
            };
            [
                record.id.to_string(),
                hold.scope.to_string(),
                rows(hold.range),
                hold.reason.clone(),
                hold.owner.clone(),
                format!("{} by {}", hold.created_at, record.created_by),
                state,
            ]
        });
        table(
            [
                "hold", "scope", "keeps", "reason", "owner", "placed", "state",
            ],
            &[0],
            lines,
        )
    })?;
    Ok(Exit::Done)
}

async fn release(id: u64, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let outcome = ledger
        .release_hold(id, &context::user_name(), context.now())
        .await?;
    if outcome == Deactivation::NotFound {
        bail!("there is no hold {id}; `ebbtide holds list` shows those in force");
    }
    output.result(&json!({"id": id, "outcome": outcome}), |_| match outcome {
        Deactivation::AlreadyInactive => format!("hold {id} was released already"),
        _ => format!("hold {id} is released; the rules act on its rows again"),
    })?;
    Ok(Exit::Done)
}
