//! `ebbtide rules`

mod export;
mod import;
mod preview;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::effect::{self, Effect};
use super::output::table;
use super::scope::{ScopeArgs, ScopeView, check_project};
use super::{Context, Exit, Output, context};
use crate::ledger::{CreatedRule, Deactivation, NewRule, RuleRecord};
use crate::rule::RuleId;

/// Set, list, import and export rules.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Create a rule; it replaces the active one of its scope.
    Add(Add),
    /// Show what a rule would delete, without saving it.
    Preview(preview::PreviewArgs),
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

pub(super) async fn run(
    verb: &Rules,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    match verb {
        Rules::Add(args) => add(args, context, output).await,
        Rules::Preview(args) => preview::run(args, context, output).await,
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
    check_project(&scope, "rule", &config)?;
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
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let effect = effect::of(Some(&scope), &engine, &*ledger, &config).await;
    output.result(&Changed { created, effect }, |changed| {
        let created = changed.created;
        let replaced = created.replaced.map(|id| format!(" (replaces rule {id})"));
        format!(
            "rule {}: {scope} {retention}{}{}",
            created.id,
            replaced.unwrap_or_default(),
            ending(changed.effect.as_ref())
        )
    })?;
    Ok(Exit::Done)
}

/// A rule that was created, and what becomes of it.
#[derive(Debug, Serialize)]
struct Changed {
    #[serde(flatten)]
    created: CreatedRule,
    effect: Option<Effect>,
}

fn ending(effect: Option<&Effect>) -> String {
    effect.map_or_else(String::new, |effect| format!("; {}", effect.describe()))
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
    let ledger = context.ledger(&config).await?;
    let Some(record) = ledger.rule(id).await? else {
        bail!("there is no rule {id}; `ebbtide rules list --history` shows all");
    };
    let scope = record.rule.scope.to_string();
    let view = RuleView::from(record);
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
    let effect = match (outcome, ledger.rule(id).await?) {
        (Deactivation::Done, Some(record)) => {
            let engine = context.engine_on(&config, Arc::clone(&ledger))?;
            effect::of(Some(&record.rule.scope), &engine, &*ledger, &config).await
        }
        _ => None,
    };
    output.result(
        &serde_json::json!({"id": id, "outcome": outcome, "effect": effect}),
        |_| match outcome {
            Deactivation::AlreadyInactive => format!("rule {id} was inactive already"),
            _ => format!("rule {id} is inactive now{}", ending(effect.as_ref())),
        },
    )?;
    Ok(Exit::Done)
}
