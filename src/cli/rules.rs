//! `ebbtide rules`

mod export;
mod import;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::table;
use super::{Context, Exit, Output, context};
use crate::config::Config;
use crate::ledger::{Deactivation, NewRule, RuleRecord};
use crate::rule::{RuleId, Scope};

/// Set, list, import and export rules.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Create a rule; it replaces the active one of its scope.
    Add(Add),
    /// List the active rules.
    List {
        /// Show rules that were replaced or deactivated too.
        #[arg(long)]
        history: bool,
    },
    /// Show one rule.
    Show {
        /// Its number.
        id: RuleId,
    },
    /// Deactivate a rule; it stays in the history.
    Deactivate {
        /// Its number.
        id: RuleId,
    },
    /// Import a YAML list of rules: all of them, or none.
    Import {
        /// The file; `-` reads stdin.
        file: PathBuf,
        /// Check the file, change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the active rules as YAML that `import` reads.
    Export,
}

/// Create a rule; it replaces the active one of its scope.
#[derive(Debug, Args)]
#[command(
    override_usage = "ebbtide rules add (--organization <O> | --workspace <W> [--project <P>]) --retention <RETENTION> [--no-apply-to-past]"
)]
pub struct Add {
    #[command(flatten)]
    scope: ScopeArgs,
    /// `unlimited`, the name of a period of the config, or days such as `7d`.
    #[arg(long, value_name = "RETENTION", allow_hyphen_values = true)]
    retention: String,
    /// Leave rows from before this moment alone.
    #[arg(long)]
    no_apply_to_past: bool,
}

#[derive(Debug, Args)]
#[group(id = "scope", required = true, multiple = true)]
struct ScopeArgs {
    /// Every workspace of this organization.
    #[arg(long, value_name = "O", allow_hyphen_values = true, conflicts_with_all = ["workspace", "project"])]
    organization: Option<String>,
    /// This workspace.
    #[arg(long, value_name = "W", allow_hyphen_values = true)]
    workspace: Option<String>,
    /// Only this project of the workspace.
    #[arg(
        long,
        value_name = "P",
        allow_hyphen_values = true,
        requires = "workspace"
    )]
    project: Option<String>,
}

impl ScopeArgs {
    fn scope(&self) -> anyhow::Result<Scope> {
        Ok(match (&self.organization, &self.workspace, &self.project) {
            (Some(name), None, None) => Scope::Organization(name.as_str().into()),
            (None, Some(name), None) => Scope::Workspace(name.as_str().into()),
            (None, Some(workspace), Some(project)) => Scope::Project {
                workspace: workspace.as_str().into(),
                project: project.as_str().into(),
            },
            _ => bail!("name either --organization, or --workspace with or without --project"),
        })
    }
}

pub(super) async fn run(
    verb: &Rules,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    match verb {
        Rules::Add(args) => add(args, context, output).await,
        Rules::List { history } => list(*history, context, output).await,
        Rules::Show { id } => show(*id, context, output).await,
        Rules::Deactivate { id } => deactivate(*id, context, output).await,
        Rules::Import { file, dry_run } => import::run(file, *dry_run, context, output).await,
        Rules::Export => export::run(context, output).await,
    }
}

async fn add(args: &Add, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let scope = args.scope.scope()?;
    let retention = config.periods.retention(&args.retention)?;
    check_project(&scope, &config)?;
    let rule = NewRule {
        scope: scope.clone(),
        retention: retention.to_string(),
        apply_to_past: !args.no_apply_to_past,
        created_at: context.now(),
    };
    let ledger = context.ledger(&config).await?;
    let created = ledger
        .create_rule(&rule, context::user_name().as_str().into())
        .await?;
    output.result(&created, |created| {
        let replaced = created.replaced.map(|id| format!(" (replaces rule {id})"));
        format!(
            "rule {}: {scope} {retention}{}",
            created.id,
            replaced.unwrap_or_default()
        )
    })?;
    Ok(Exit::Done)
}

/// A project rule needs a project column in every target, or nobody could say which rows it means.
fn check_project(scope: &Scope, config: &Config) -> anyhow::Result<()> {
    let without = config
        .targets
        .iter()
        .find(|target| target.project.is_none());
    match (scope, without) {
        (Scope::Project { .. }, Some(target)) => bail!(
            "{scope} cannot have a rule: target {} has no project column; add targets[].project \
             to the config",
            target.table
        ),
        _ => Ok(()),
    }
}

/// A rule as it is printed.
#[derive(Debug, Serialize)]
struct RuleView {
    id: RuleId,
    #[serde(flatten)]
    scope: ScopeView,
    retention: String,
    apply_to_past: bool,
    created_at: String,
    created_by: String,
    deactivated_at: Option<String>,
    deactivated_by: Option<String>,
}

/// A scope with the keys of the YAML format.
#[derive(Debug, Default, Serialize)]
struct ScopeView {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
}

impl From<&Scope> for ScopeView {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Organization(name) => Self {
                organization: Some(name.to_string()),
                ..Self::default()
            },
            Scope::Workspace(name) => Self {
                workspace: Some(name.to_string()),
                ..Self::default()
            },
            Scope::Project { workspace, project } => Self {
                workspace: Some(workspace.to_string()),
                project: Some(project.to_string()),
                organization: None,
            },
        }
    }
}

impl From<RuleRecord> for RuleView {
    fn from(record: RuleRecord) -> Self {
        let (deactivated_at, deactivated_by) = record.deactivated.unzip();
        Self {
            id: record.id,
            scope: ScopeView::from(&record.rule.scope),
            retention: record.rule.retention,
            apply_to_past: record.rule.apply_to_past,
            created_at: record.rule.created_at.to_string(),
            created_by: record.created_by,
            deactivated_at: deactivated_at.map(|at| at.to_string()),
            deactivated_by,
        }
    }
}

async fn list(history: bool, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let mut rules: Vec<(String, RuleView)> = Vec::new();
    let ledger = context.ledger(&config).await?;
    ledger
        .each_rule(history, &mut |record| {
            rules.push((record.rule.scope.to_string(), RuleView::from(record)));
        })
        .await?;
    let views: Vec<&RuleView> = rules.iter().map(|(_, view)| view).collect();
    output.result(&views, |_| {
        if rules.is_empty() {
            return "no rules; `ebbtide rules add --workspace W --retention 60d` sets one".into();
        }
        let rows = rules.iter().map(|(scope, rule)| {
            let state = match (&rule.deactivated_at, &rule.deactivated_by) {
                (Some(at), Some(by)) => format!("inactive since {at} by {by}"),
                _ => "active".into(),
            };
            [
                rule.id.to_string(),
                scope.clone(),
                rule.retention.clone(),
                if rule.apply_to_past {
                    "all rows".into()
                } else {
                    "only new rows".into()
                },
                rule.created_at.clone(),
                rule.created_by.clone(),
                state,
            ]
        });
        table(
            [
                "rule",
                "scope",
                "retention",
                "applies to",
                "created",
                "by",
                "state",
            ],
            &[0],
            rows,
        )
    })?;
    Ok(Exit::Done)
}

async fn show(id: RuleId, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let mut found = None;
    let ledger = context.ledger(&config).await?;
    ledger
        .each_rule(true, &mut |record| {
            if record.id == id {
                found = Some((record.rule.scope.to_string(), RuleView::from(record)));
            }
        })
        .await?;
    let Some((scope, view)) = found else {
        bail!("there is no rule {id}; `ebbtide rules list --history` shows all");
    };
    output.result(&view, |rule| {
        let mut text = format!(
            "rule {id}\n  scope       {scope}\n  retention   {}\n  applies to  {}\n  created     {} by {}",
            rule.retention,
            if rule.apply_to_past { "all rows" } else { "rows from its creation on" },
            rule.created_at,
            rule.created_by
        );
        if let (Some(at), Some(by)) = (&rule.deactivated_at, &rule.deactivated_by) {
            text.push_str(&format!("\n  inactive    since {at} by {by}"));
        }
        text
    })?;
    Ok(Exit::Done)
}

async fn deactivate(id: RuleId, context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let outcome = ledger
        .deactivate_rule(id, &context::user_name(), context.now())
        .await?;
    if outcome == Deactivation::NotFound {
        bail!("there is no rule {id}; `ebbtide rules list` shows the active ones");
    }
    output.result(
        &serde_json::json!({"id": id, "outcome": outcome}),
        |_| match outcome {
            Deactivation::AlreadyInactive => format!("rule {id} was inactive already"),
            _ => format!("rule {id} is inactive now"),
        },
    )?;
    Ok(Exit::Done)
}
