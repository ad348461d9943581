//! `ebbtide explain`: what holds for a workspace or project, why, and what will happen when.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::parse_instant;
use super::{Context, Exit, Output};
use crate::cutoff::{Cutoff, expires_at, time_of_id};
use crate::engine::Rulebook;
use crate::resolve::{Policy, resolve};
use crate::rule::{Retention, Rule};

/// Say what holds for a workspace or project, why, and what will happen when.
#[derive(Debug, Args)]
pub struct Explain {
    /// The workspace.
    #[arg(long, value_name = "W", allow_hyphen_values = true)]
    pub workspace: String,
    /// One of its projects.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    pub project: Option<String>,
    /// The age of a row: an instant, a day, or its UUIDv7.
    #[arg(long, value_name = "T")]
    pub row_time: Option<String>,
}

/// What holds, and why.
#[derive(Debug, Serialize)]
struct Explanation {
    workspace: String,
    project: Option<String>,
    organization: Option<String>,
    retention: String,
    winner: Option<RuleLine>,
    losers: Vec<RuleLine>,
    default: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<CutoffLine>,
    /// Projects of the workspace with policies of their own.
    own_projects: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<RowLine>,
}

#[derive(Debug, Serialize)]
struct RuleLine {
    rule: u64,
    scope: String,
    retention: String,
    apply_to_past: bool,
    created_at: String,
}

#[derive(Debug, Serialize)]
struct CutoffLine {
    at: String,
    id: String,
    /// Rows below this stay, where the rule does not apply to the past.
    min_id: Option<String>,
    has_anything_to_do: bool,
}

#[derive(Debug, Serialize)]
struct RowLine {
    time: String,
    is_expired: bool,
    /// When the first cycle may delete it; nothing for never.
    expires_at: Option<String>,
    reason: String,
}

impl From<&Rule> for RuleLine {
    fn from(rule: &Rule) -> Self {
        Self {
            rule: rule.id,
            scope: rule.scope.to_string(),
            retention: rule.retention.to_string(),
            apply_to_past: rule.apply_to_past,
            created_at: rule.created_at.to_string(),
        }
    }
}

pub(super) async fn run(
    args: &Explain,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let row_time = args.row_time.as_deref().map(parse_row_time).transpose()?;
    let engine = context.engine(&config).await?;
    let rulebook = engine.rulebook().await?;
    let explanation = explain(
        args,
        row_time,
        &rulebook,
        &config.default_retention,
        context.now(),
    );
    output.result(&explanation, text)?;
    Ok(Exit::Done)
}

fn parse_row_time(text: &str) -> anyhow::Result<Timestamp> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) => time_of_id(id).ok_or_else(|| {
            anyhow::anyhow!(
                "{text} is no UUIDv7, so it has no age: such a row is never deleted by its id"
            )
        }),
        Err(_) => parse_instant(text),
    }
}

fn explain(
    args: &Explain,
    row_time: Option<Timestamp>,
    rulebook: &Rulebook,
    default: &Retention,
    now: Timestamp,
) -> Explanation {
    let policies = resolve(&rulebook.rules, &rulebook.directory, default);
    let policy = match &args.project {
        Some(project) => policies.project(&args.workspace, project),
        None => policies.workspace(&args.workspace),
    };
    let winner = policy.trail.winner();
    let cutoff = policy.retention.days().map(|days| {
        let cutoff = Cutoff::at(now, days);
        let from = winner
            .filter(|rule| !rule.apply_to_past)
            .map(|rule| rule.created_at);
        CutoffLine {
            at: cutoff.instant().to_string(),
            id: cutoff.id().to_string(),
            min_id: from.map(|at| crate::cutoff::smallest_id(at.as_millisecond()).to_string()),
            has_anything_to_do: policy.bounds(now).is_some(),
        }
    });
    let own_projects = match args.project {
        Some(_) => Vec::new(),
        None => policies
            .projects(&args.workspace)
            .map(|(name, _)| name.to_string())
            .collect(),
    };
    Explanation {
        workspace: args.workspace.clone(),
        project: args.project.clone(),
        organization: policies
            .organization_of(&args.workspace)
            .map(ToString::to_string),
        retention: policy.retention.to_string(),
        winner: winner.map(RuleLine::from),
        losers: policy.trail.losers().map(RuleLine::from).collect(),
        default: default.to_string(),
        cutoff,
        own_projects,
        row: row_time.map(|time| explain_row(time, &policy, now)),
    }
}

fn explain_row(time: Timestamp, policy: &Policy<'_>, now: Timestamp) -> RowLine {
    let from = policy.trail.winner().filter(|rule| !rule.apply_to_past);
    let (is_expired, expires, reason) = match policy.retention.days() {
        None => (
            false,
            None,
            "the retention is unlimited: it stays".to_owned(),
        ),
        Some(_)
            if from
                .is_some_and(|rule| time.as_millisecond() < rule.created_at.as_millisecond()) =>
        {
            (
                false,
                None,
                "it is older than the rule, which does not apply to the past: it stays".into(),
            )
        }
        Some(days) => {
            let at = expires_at(time, days);
            if policy
                .bounds(now)
                .is_some_and(|bounds| bounds.contains(time.as_millisecond()))
            {
                let reason = "it is expired: the next cycle deletes it, unless the target keeps it";
                (true, Some(at), reason.to_owned())
            } else {
                (
                    false,
                    Some(at),
                    "it is not below the cutoff: it stays until it expires".into(),
                )
            }
        }
    };
    RowLine {
        time: time.to_string(),
        is_expired,
        expires_at: expires.map(|at| at.to_string()),
        reason,
    }
}

fn text(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    let subject = match &explanation.project {
        Some(project) => format!(
            "project {project:?} of workspace {:?}",
            explanation.workspace
        ),
        None => format!("workspace {:?}", explanation.workspace),
    };
    lines.push(subject);
    lines.push(match &explanation.organization {
        Some(name) => format!("  organization  {name:?}"),
        None => "  organization  none: the directory does not know the workspace".into(),
    });
    lines.push(format!("  retention     {}", explanation.retention));
    lines.push("  why".into());
    let rule_line = |rule: &RuleLine| {
        let past = if rule.apply_to_past {
            ""
        } else {
            ", only rows from its creation on"
        };
        format!(
            "rule {}: {} {}{past}, since {}",
            rule.rule, rule.scope, rule.retention, rule.created_at
        )
    };
    match &explanation.winner {
        Some(rule) => lines.push(format!("    won   {}", rule_line(rule))),
        None => lines.push(format!(
            "    won   the default of the config: {}",
            explanation.default
        )),
    }
    for rule in &explanation.losers {
        lines.push(format!("    lost  {}", rule_line(rule)));
    }
    if explanation.winner.is_some() {
        lines.push(format!(
            "    lost  the default of the config: {}",
            explanation.default
        ));
    }
    match &explanation.cutoff {
        None => lines.push("  cutoff        none: nothing is ever deleted".into()),
        Some(cutoff) => {
            lines.push(format!("  cutoff        {} ({})", cutoff.at, cutoff.id));
            if let Some(id) = &cutoff.min_id {
                lines.push(format!("  not below     {id}"));
            }
            lines.push(if cutoff.has_anything_to_do {
                "  next cycle    deletes the rows below the cutoff".into()
            } else {
                "  next cycle    deletes nothing: the rule is younger than its cutoff".into()
            });
        }
    }
    let quoted: Vec<String> = explanation
        .own_projects
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    if !quoted.is_empty() {
        lines.push(format!(
            "  not included  projects with rules of their own: {}",
            quoted.join(", ")
        ));
    }
    if let Some(row) = &explanation.row {
        lines.push(format!("a row of {}", row.time));
        lines.push(format!("  {}", row.reason));
        if let Some(at) = &row.expires_at {
            lines.push(format!("  expires       {at}"));
        }
    }
    lines.join("\n")
}
