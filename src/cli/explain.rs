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
use crate::cutoff::{Bounds, Cutoff, smallest_id, time_of_id};
use crate::engine::{BaseBook, Rulebook};
use crate::resolve::{Policies, Policy, resolve};
use crate::rule::{Retention, Rule};
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
    let base = engine.base(&rulebook).await?;
    let world = World {
        armed_until: engine.armed_at(rulebook.revision).await?,
        guards: guards::read(args, &rulebook, &*ledger).await?,
        rulebook: &rulebook,
        base: &base,
        default: &config.default_retention,
        now: context.now(),
    };
    let explanation = explain(args, row_time, world);
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

/// What an explanation looks at.
struct World<'a> {
    rulebook: &'a Rulebook,
    base: &'a BaseBook,
    armed_until: Option<Timestamp>,
    guards: GuardLines,
    default: &'a Retention,
    now: Timestamp,
}

fn explain(args: &Explain, row_time: Option<Timestamp>, world: World<'_>) -> Explanation {
    let World { rulebook, now, .. } = world;
    let policies = resolve(&rulebook.rules, &rulebook.directory, world.default);
    let of_base = world.base.policies(rulebook);
    let policy = of(args, &policies);
    let base = base_line(args, &policy, of_base.as_ref(), &world);
    let own_projects = match args.project {
        Some(_) => Vec::new(),
        None => policies
            .projects(&args.workspace)
            .map(|(name, _)| name.to_string())
            .collect(),
    };
    let row = row_time.map(|time| {
        let effective = effective(&policy, of_base.as_ref().map(|all| of(args, all)), &world);
        let mut line = RowLine::new(
            time,
            policy.fate(time, now),
            effective,
            base.as_ref(),
            &world.guards,
        );
        line.wait_for(world.base.changes());
        line
    });
    Explanation {
        workspace: args.workspace.clone(),
        project: args.project.clone(),
        organization: policies
            .organization_of(&args.workspace)
            .map(ToString::to_string),
        retention: policy.retention.to_string(),
        winner: policy.trail.winner().map(RuleLine::from),
        losers: policy.trail.losers().map(RuleLine::from).collect(),
        default: world.default.to_string(),
        cutoff: cutoff_line(&policy, now),
        base,
        target_changes: world.base.changes().to_vec(),
        guards: world.guards,
        own_projects,
        row,
    }
}

fn of<'a>(args: &Explain, policies: &Policies<'a>) -> Policy<'a> {
    policies.of(&args.workspace, args.project.as_deref())
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

/// The interval in which rows go at present, holds and pauses apart.
fn effective(
    policy: &Policy<'_>,
    of_base: Option<Policy<'_>>,
    world: &World<'_>,
) -> Option<Bounds> {
    let bounds = policy.bounds(world.now)?;
    match (world.base, of_base) {
        (BaseBook::Missing, _) => None,
        (BaseBook::Earlier { .. }, Some(earlier)) => bounds.intersect(earlier.bounds(world.now)?),
        _ => Some(bounds),
    }
}

fn base_line(
    args: &Explain,
    policy: &Policy<'_>,
    of_base: Option<&Policies<'_>>,
    world: &World<'_>,
) -> Option<BaseLine> {
    let earlier = of_base.map(|policies| of(args, policies));
    let (revision, retention) = match world.base {
        BaseBook::NotNeeded => return None,
        BaseBook::Missing => (None, None),
        BaseBook::Same { revision, .. } => (Some(*revision), Some(policy.retention.to_string())),
        BaseBook::Earlier { revision, .. } => (
            Some(*revision),
            earlier.as_ref().map(|policy| policy.retention.to_string()),
        ),
    };
    let effective = effective(policy, earlier, world);
    let keeps_back = effective != policy.bounds(world.now);
    Some(BaseLine {
        revision,
        retention,
        keeps_back,
        cutoff: effective.and_then(|bounds| Timestamp::from_millisecond(bounds.below_ms).ok()),
        armed_until: world.armed_until.filter(|_| keeps_back),
    })
}
