//! `/v1/policies`: what holds for a workspace or project, and why a row is still there.

mod row;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::row::Row;
use super::Shared;
use super::access::Caller;
use super::input::{Query, Segment};
use super::memory::Seen;
use super::problem::{Answer, Place, Problem};
use super::rules::of_workspace;
use super::world::World;
use crate::config::{ApprovalMode, Config};
use crate::cutoff::{Bounds, Cutoff, smallest_id, time_of_id};
use crate::engine::BaseBook;
use crate::guard::PauseScope;
use crate::resolve::{Directory, Policies, Policy as Resolved, resolve};
use crate::rule::{Days, Rule, RuleId, Scope};
use crate::target::TargetChange;

/// What holds for a workspace or one of its projects, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Policy {
    /// The workspace.
    workspace: String,
    /// The project, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    /// The organization that the directory places the workspace in, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Arc<str>>,
    /// How long rows are kept: `unlimited`, a period of the configuration, or days.
    retention: String,
    /// The same in days; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// The rule that won; missing where the default of the configuration holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<TrailRule>,
    /// The rules that lost to a more specific one.
    lost: Vec<TrailRule>,
    /// The default of the configuration.
    default_retention: String,
    /// Below what rows are expired; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<CutoffInstant>,
    /// What waits before it may be deleted; missing where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    /// Projects of the workspace with rules of their own, which this policy does not cover.
    own_projects: Vec<Arc<str>>,
    /// Holds in force that keep rows of it.
    holds: Vec<AppliedHold>,
    /// Pauses in force that stop deletes from it.
    pauses: Vec<AppliedPause>,
    /// Tables whose target reaches further than what was approved or armed: expired rows there wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_changes: Vec<String>,
    /// Whether the sidecar deletes at all (`retention.enabled`).
    is_enabled: bool,
    /// What becomes of the row that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Row>,
    /// All this in words.
    summary: Vec<String>,
    /// The instant that this is the answer of.
    as_of: Timestamp,
    /// The revision of the ledger that this is the answer of.
    revision: u64,
}

/// A rule that spoke for the workspace or project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrailRule {
    /// Its number.
    #[schema(value_type = u64)]
    id: RuleId,
    /// What it applies to.
    scope: TrailScope,
    /// As a person wrote it.
    retention: String,
    /// Whether rows from before its creation follow it too.
    apply_to_past: bool,
    /// When it was created.
    created_at: Timestamp,
}

/// What a rule applies to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrailScope {
    /// The organization.
    Organization,
    /// The workspace.
    Workspace,
    /// The project.
    Project,
}

/// Below what rows are expired.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CutoffInstant {
    /// The start of a UTC day; a row exactly at it is kept.
    at: Timestamp,
    /// The same as the smallest `UUIDv7` of its millisecond.
    id: uuid::Uuid,
    /// Rows from before this instant stay, where the rule does not apply to the past.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// The same as the smallest `UUIDv7` of its millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_id: Option<uuid::Uuid>,
}

/// Expired rows that may not be deleted yet: the rules of now say more than those of the base.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    /// What for.
    waits_for: WaitsFor,
    /// The revision that was approved, or armed for long enough; missing where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_revision: Option<u64>,
    /// Only rows before this instant may be deleted now; missing where none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_below: Option<Timestamp>,
    #[serde(skip)]
    bounds: Option<Bounds>,
}

/// What expired rows wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitsFor {
    /// That a plan is approved.
    Approval,
    /// That the rules have been armed for `retention.armed_for`.
    Armed,
}

/// A hold that keeps rows of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppliedHold {
    /// Its number.
    id: u64,
    /// The project whose rows it keeps, where it is a hold of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    /// Only rows from this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Only rows before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Why; missing where the hold is on more than the token may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A pause that stops deletes from it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppliedPause {
    /// Its number.
    id: u64,
    /// The table, where it is a pause of one target.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Arc<str>>,
    /// Why; missing where the pause is of more than the token may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Rule> for TrailRule {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id,
            scope: match rule.scope {
                Scope::Organization(_) => TrailScope::Organization,
                Scope::Workspace(_) => TrailScope::Workspace,
                Scope::Project { .. } => TrailScope::Project,
            },
            retention: rule.retention.to_string(),
            apply_to_past: rule.apply_to_past,
            created_at: rule.created_at,
        }
    }
}

/// What is asked about a workspace.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyQuery {
    /// One of its projects.
    project: Option<String>,
    /// The age of a row: an instant, a day, or its `UUIDv7`.
    row_time: Option<String>,
}

/// What is asked about a workspace whose name does not fit into a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyPolicyQuery {
    /// The workspace.
    workspace: String,
    /// One of its projects.
    project: Option<String>,
    /// The age of a row: an instant, a day, or its `UUIDv7`.
    row_time: Option<String>,
}

/// What holds for a workspace, and why. The name is percent-encoded; one that is empty, `.` or `..`
/// does not fit into a path: ask `/v1/policies?workspace=`.
#[utoipa::path(
    get, path = "/v1/policies/{workspace}", tag = "policies", operation_id = "getPolicy",
    params(("workspace" = String, Path, description = "The workspace"), PolicyQuery),
    responses((status = 200, description = "What holds", body = Policy)),
    security(("token" = ["viewer"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(workspace): Segment<String>,
    Query(query): Query<PolicyQuery>,
) -> Answer<Json<Policy>> {
    let asked = AnyPolicyQuery {
        workspace,
        project: query.project,
        row_time: query.row_time,
    };
    answer(&shared, &caller, asked).await
}

/// What holds for a workspace of any name, and why.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies", operation_id = "findPolicy", params(AnyPolicyQuery),
    responses(
        (status = 200, description = "What holds", body = Policy),
        (status = 404, description = "There is no such workspace that the token may see", body = super::problem::ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("token" = ["viewer"]))
)]
pub(super) async fn find(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(asked): Query<AnyPolicyQuery>,
) -> Answer<Json<Policy>> {
    answer(&shared, &caller, asked).await
}

async fn answer(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: AnyPolicyQuery,
) -> Answer<Json<Policy>> {
    let row_time = asked.row_time.as_deref().map(row_time).transpose()?;
    let seen = shared.see(caller).await?;
    if !caller.owns_workspace(&asked.workspace, Some(seen.directory())) {
        return Err(Problem::not_found("such workspace"));
    }
    Ok(Json(explain(
        &shared.live().config,
        caller,
        &seen,
        asked,
        row_time,
    )))
}

/// Reads the age of a row.
fn row_time(text: &str) -> Answer<Timestamp> {
    let wrong = |detail: &str| Problem::invalid(Place::Query, "row_time", detail);
    if let Ok(id) = uuid::Uuid::try_parse(text) {
        return time_of_id(id).ok_or_else(|| {
            wrong("this is no UUIDv7, so it has no age: such a row is never deleted by its id")
        });
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
        && let Ok(start) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(start.timestamp());
    }
    let no_instant = "write 2026-11-21, 2026-11-21T10:00:00Z, or a UUIDv7";
    text.parse().map_err(|_| wrong(no_instant))
}

fn explain(
    config: &Config,
    caller: &Caller,
    seen: &Seen,
    asked: AnyPolicyQuery,
    row_time: Option<Timestamp>,
) -> Policy {
    let world = &*seen.world;
    let directory = of_workspace(&world.rulebook.directory, &asked.workspace);
    let policies = resolve(&world.rulebook.rules, &directory, &config.default_retention);
    let project = asked.project.as_deref();
    let resolved = resolved(&policies, &asked.workspace, project);
    let cutoff = cutoff(&resolved, seen.now);
    let own_projects: Vec<Arc<str>> = match project {
        Some(_) => Vec::new(),
        None => policies
            .projects(&asked.workspace)
            .map(|(name, _)| Arc::clone(name))
            .collect(),
    };
    let mut policy = Policy {
        organization: directory.organization_of(&asked.workspace).cloned(),
        retention: resolved.retention.to_string(),
        days: resolved.retention.days().map(Days::get),
        rule: resolved.trail.winner().map(TrailRule::from),
        lost: resolved.trail.losers().map(TrailRule::from).collect(),
        default_retention: config.default_retention.to_string(),
        cutoff,
        waiting: waiting(config, seen, &resolved, &asked, &directory),
        own_projects,
        holds: holds(world, caller, &asked.workspace, project),
        pauses: pauses(world, caller, &asked.workspace),
        target_changes: target_changes(world, caller),
        is_enabled: config.enabled,
        row: None,
        summary: Vec::new(),
        as_of: seen.now,
        revision: world.rulebook.revision,
        workspace: asked.workspace,
        project: asked.project,
    };
    policy.row = row_time.map(|time| Row::judge(time, &resolved, &policy));
    policy.summary = summary(&policy);
    policy
}

fn resolved<'a>(policies: &Policies<'a>, workspace: &str, project: Option<&str>) -> Resolved<'a> {
    match project {
        Some(project) => policies.project(workspace, project),
        None => policies.workspace(workspace),
    }
}

fn cutoff(resolved: &Resolved<'_>, now: Timestamp) -> Option<CutoffInstant> {
    let cutoff = Cutoff::at(now, resolved.retention.days()?);
    let winner = resolved.trail.winner().filter(|rule| !rule.apply_to_past);
    let from = winner.map(|rule| rule.created_at);
    Some(CutoffInstant {
        at: cutoff.instant(),
        id: cutoff.id(),
        min_id: from.map(|from| smallest_id(from.as_millisecond())),
        from,
    })
}

/// What of the policy waits, given what the base says of the same rows.
fn waiting(
    config: &Config,
    seen: &Seen,
    resolved: &Resolved<'_>,
    asked: &AnyPolicyQuery,
    directory: &Directory,
) -> Option<Waiting> {
    let now = resolved.bounds(seen.now)?;
    let world = &*seen.world;
    let (base_revision, bounds) = match &*world.base {
        BaseBook::NotNeeded => return None,
        BaseBook::Missing => (None, None),
        BaseBook::Same { revision, .. } => (Some(*revision), Some(now)),
        BaseBook::Earlier {
            revision,
            rules,
            default,
            ..
        } => {
            let policies = resolve(rules, directory, default);
            let base = self::resolved(&policies, &asked.workspace, asked.project.as_deref());
            let bounds = base.bounds(seen.now);
            (Some(*revision), bounds.and_then(|base| base.intersect(now)))
        }
    };
    // Where every target reaches further, nothing goes, whatever the rules said.
    let bounds = bounds.filter(|_| !world.is_stopped);
    if bounds == Some(now) {
        return None;
    }
    let is_approved =
        world.approved >= Some(world.rulebook.revision) && !config.armed_for.is_zero();
    Some(Waiting {
        waits_for: match config.approval {
            ApprovalMode::Required if !is_approved => WaitsFor::Approval,
            ApprovalMode::Required | ApprovalMode::None => WaitsFor::Armed,
        },
        base_revision,
        deleted_below: bounds.and_then(|bounds| Timestamp::from_millisecond(bounds.below_ms).ok()),
        bounds,
    })
}

/// Tenants hear which table it is, and nothing of servers and columns.
fn target_changes(world: &World, caller: &Caller) -> Vec<String> {
    let say = |change: &TargetChange| match &change.table {
        _ if !caller.is_bound() => change.to_string(),
        Some(table) => format!("target {table} changed"),
        None => "where tables are changed".into(),
    };
    world.base.changes().iter().map(say).collect()
}

fn holds(
    world: &World,
    caller: &Caller,
    workspace: &str,
    project: Option<&str>,
) -> Vec<AppliedHold> {
    let holds = world.holds_on(workspace, project).into_iter();
    holds
        .map(|record| AppliedHold {
            id: record.id,
            project: match &record.hold.scope {
                Scope::Project { project, .. } => Some(Arc::clone(project)),
                Scope::Organization(_) | Scope::Workspace(_) => None,
            },
            from: record.hold.range.from,
            until: record.hold.range.until,
            reason: caller
                .owns(&record.hold.scope, Some(&world.rulebook.directory))
                .then(|| record.hold.reason.clone()),
        })
        .collect()
}

fn pauses(world: &World, caller: &Caller, workspace: &str) -> Vec<AppliedPause> {
    world
        .pauses_on(workspace)
        .map(|record| AppliedPause {
            id: record.id,
            target: match &record.pause.scope {
                PauseScope::Target(name) => Some(Arc::clone(name)),
                PauseScope::Everything | PauseScope::Workspace(_) => None,
            },
            reason: caller
                .owns_pause(&record.pause.scope, Some(&world.rulebook.directory))
                .then(|| record.pause.reason.clone()),
        })
        .collect()
}

fn summary(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    let because = match &policy.rule {
        Some(rule) => format!("rule {} says so", rule.id),
        None => "no rule speaks for it, and this is the default".to_owned(),
    };
    lines.push(match &policy.cutoff {
        None => format!("rows are kept for ever: {because}"),
        Some(cutoff) => format!(
            "rows are kept for {}: {because}; those below {} are expired",
            policy.retention, cutoff.at
        ),
    });
    if let Some(from) = policy.cutoff.as_ref().and_then(|cutoff| cutoff.from) {
        lines.push(format!(
            "rows from before {from} stay: the rule does not apply to the past"
        ));
    }
    if !policy.own_projects.is_empty() {
        let n_projects = policy.own_projects.len();
        lines.push(format!(
            "{n_projects} of its projects have rules of their own"
        ));
    }
    if let Some(waiting) = &policy.waiting {
        let what = match waiting.waits_for {
            WaitsFor::Approval => "until a plan is approved",
            WaitsFor::Armed => "until the rules have been armed for long enough",
        };
        lines.push(match waiting.deleted_below {
            Some(below) => format!("those from {below} on wait {what}"),
            None => format!("all of them wait {what}"),
        });
    }
    for hold in &policy.holds {
        let range = match (hold.from, hold.until) {
            (None, None) => "all rows".to_owned(),
            (Some(from), None) => format!("rows from {from} on"),
            (None, Some(until)) => format!("rows before {until}"),
            (Some(from), Some(until)) => format!("rows from {from} to {until}"),
        };
        lines.push(format!("hold {} keeps {range}", hold.id));
    }
    for pause in &policy.pauses {
        lines.push(match &pause.target {
            Some(table) => format!("pause {} stops deletes from {table}", pause.id),
            None => format!("pause {} stops deletes", pause.id),
        });
    }
    let changes = policy.target_changes.iter();
    lines.extend(
        changes.map(|change| format!("rows wait where a target reaches further ({change})")),
    );
    if !policy.is_enabled {
        lines.push("the sidecar only plans: retention.enabled is false".into());
    }
    if let Some(row) = &policy.row {
        lines.push(row.reason().to_owned());
    }
    lines
}
