//! `ebbtide explain`: what holds for a workspace or project, why, and what will happen when.

mod guards;
mod row;
mod text;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use self::guards::GuardLines;
use self::row::RowLine;
use super::context::parse_instant;
use super::{Context, Exit, Output};
use crate::cutoff::{Cutoff, smallest_id, time_of_id};
use crate::engine::{Explained, Grounds, GuardRecords, Subject};
use crate::resolve::Policy;
use crate::rule::Rule;
use crate::target::TargetChange;

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
    /// What was approved, or has been armed for long enough, where that has to agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<BaseLine>,
    /// What of the targets makes rows wait, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_changes: Vec<TargetChange>,
    #[serde(flatten)]
    guards: GuardLines,
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

/// What has to agree with the rules of now before anything is deleted.
#[derive(Debug, Serialize)]
struct BaseLine {
    /// The revision; nothing if nothing was approved, or armed for long enough.
    revision: Option<u64>,
    retention: Option<String>,
    /// Whether it keeps rows back that the rules of now would delete.
    keeps_back: bool,
    /// Only rows below this instant go.
    cutoff: Option<Timestamp>,
    /// When the rules of now will have been armed for long enough.
    armed_until: Option<Timestamp>,
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
    let ledger = context.ledger(&config).await?;
    let engine = context.engine_on(&config, ledger.clone())?;
    let rulebook = engine.rulebook().await?;
    let grounds = Grounds {
        rulebook: &rulebook,
        directory: &rulebook.directory,
        base: &engine.base(&rulebook).await?,
        default: &config.default_retention,
        guards: &GuardRecords::read(&*ledger).await?,
        now: context.now(),
    };
    let armed_until = engine.armed_at(rulebook.revision).await?;
    let explanation = explain(args, row_time, grounds, armed_until);
    output.result(&explanation, text::describe)?;
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
    grounds: Grounds<'_>,
    armed_until: Option<Timestamp>,
) -> Explanation {
    let explained = grounds.explain(Subject {
        workspace: &args.workspace,
        project: args.project.as_deref(),
    });
    let (policy, now) = (&explained.policy, grounds.now);
    let base = base_line(&explained, armed_until);
    let guards = GuardLines::of(&explained);
    let row = row_time.map(|time| {
        let fate = policy.fate(time, now);
        let mut line = RowLine::new(time, fate, explained.agreed(), base.as_ref(), &guards);
        line.wait_for(grounds.base.changes());
        line
    });
    let own_projects = explained.own_projects.iter();
    Explanation {
        workspace: args.workspace.clone(),
        project: args.project.clone(),
        organization: (grounds.directory)
            .organization_of(&args.workspace)
            .map(ToString::to_string),
        retention: policy.retention.to_string(),
        winner: policy.trail.winner().map(RuleLine::from),
        losers: policy.trail.losers().map(RuleLine::from).collect(),
        default: grounds.default.to_string(),
        cutoff: cutoff_line(policy, now),
        base,
        target_changes: grounds.base.changes().to_vec(),
        guards,
        own_projects: own_projects.map(ToString::to_string).collect(),
        row,
    }
}

fn cutoff_line(policy: &Policy<'_>, now: Timestamp) -> Option<CutoffLine> {
    let days = policy.retention.days()?;
    let cutoff = Cutoff::at(now, days);
    let min_id = |from: Timestamp| smallest_id(from.as_millisecond()).to_string();
    Some(CutoffLine {
        at: cutoff.instant().to_string(),
        id: cutoff.id().to_string(),
        min_id: policy.acts_from().map(min_id),
        has_anything_to_do: policy.bounds(now).is_some(),
    })
}

fn base_line(explained: &Explained<'_>, armed_until: Option<Timestamp>) -> Option<BaseLine> {
    let base = explained.base.as_ref()?;
    let keeps_back = base.agreed != explained.expired;
    let below_ms = base.agreed.map(|bounds| bounds.below_ms);
    Some(BaseLine {
        revision: base.revision,
        retention: base.retention.map(ToString::to_string),
        keeps_back,
        cutoff: below_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        armed_until: armed_until.filter(|_| keeps_back),
    })
}
