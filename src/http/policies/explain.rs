//! What holds for a workspace or project, and what keeps its rows.

use std::sync::Arc;

use jiff::Timestamp;

use super::AnyPolicyQuery;
use super::document::{
    AppliedHold, AppliedPause, CutoffInstant, Policy, TrailRule, Waiting, WaitsFor,
};
use super::row::Row;
use super::summary::summary;
use crate::config::{ApprovalMode, Config};
use crate::cutoff::{Cutoff, smallest_id};
use crate::engine::{Explained, Grounds, Subject};
use crate::guard::PauseScope;
use crate::http::access::Caller;
use crate::http::memory::Seen;
use crate::http::rules::of_workspace;
use crate::http::world::World;
use crate::ledger::{HoldRecord, PauseRecord};
use crate::resolve::Policy as Resolved;
use crate::rule::{Days, Scope};
use crate::target::TargetChange;

pub(super) fn explain(
    config: &Config,
    caller: &Caller,
    seen: &Seen,
    asked: AnyPolicyQuery,
    row_time: Option<Timestamp>,
) -> Policy {
    let world = &*seen.world;
    let directory = of_workspace(&world.rulebook.directory, &asked.workspace);
    let grounds = Grounds {
        rulebook: &world.rulebook,
        directory: &directory,
        base: &world.base,
        default: &config.default_retention,
        guards: &world.guards,
        now: seen.now,
    };
    let explained = grounds.explain(Subject {
        workspace: &asked.workspace,
        project: asked.project.as_deref(),
    });
    let resolved = explained.policy;
    let mut policy = Policy {
        organization: directory.organization_of(&asked.workspace).cloned(),
        retention: resolved.retention.to_string(),
        days: resolved.retention.days().map(Days::get),
        rule: resolved.trail.winner().map(TrailRule::from),
        lost: resolved.trail.losers().map(TrailRule::from).collect(),
        default_retention: config.default_retention.to_string(),
        cutoff: cutoff(&resolved, seen.now),
        waiting: waiting(config, world, &explained),
        own_projects: explained.own_projects.into_iter().cloned().collect(),
        holds: [explained.holds, explained.project_holds]
            .into_iter()
            .flatten()
            .map(|record| hold(world, caller, record))
            .collect(),
        pauses: explained
            .pauses
            .into_iter()
            .map(|record| pause(world, caller, record))
            .collect(),
        target_changes: target_changes(world, caller),
        is_enabled: config.enabled,
        row: None,
        summary: Vec::new(),
        as_of: seen.now,
        revision: world.rulebook.revision,
        workspace: asked.workspace,
        project: asked.project,
    };
    policy.row = row_time.map(|time| Row::judge(time, resolved.fate(time, seen.now), &policy));
    policy.summary = summary(&policy);
    policy
}

fn cutoff(resolved: &Resolved<'_>, now: Timestamp) -> Option<CutoffInstant> {
    let cutoff = Cutoff::at(now, resolved.retention.days()?);
    let from = resolved.acts_from();
    Some(CutoffInstant {
        at: cutoff.instant(),
        id: cutoff.id(),
        min_id: from.map(|from| smallest_id(from.as_millisecond())),
        from,
    })
}

/// What of the policy waits, given what the base says of the same rows.
fn waiting(config: &Config, world: &World, explained: &Explained<'_>) -> Option<Waiting> {
    let expired = explained.expired?;
    let base = explained.base.as_ref()?;
    // Where every target reaches further, nothing goes, whatever the rules said.
    let bounds = base.agreed.filter(|_| !world.is_stopped);
    if bounds == Some(expired) {
        return None;
    }
    let is_approved =
        world.approved >= Some(world.rulebook.revision) && !config.armed_for.is_zero();
    Some(Waiting {
        waits_for: match config.approval {
            ApprovalMode::Required if !is_approved => WaitsFor::Approval,
            ApprovalMode::Required | ApprovalMode::None => WaitsFor::Armed,
        },
        base_revision: base.revision,
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

fn hold(world: &World, caller: &Caller, record: &HoldRecord) -> AppliedHold {
    AppliedHold {
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
    }
}

fn pause(world: &World, caller: &Caller, record: &PauseRecord) -> AppliedPause {
    AppliedPause {
        id: record.id,
        target: match &record.pause.scope {
            PauseScope::Target(name) => Some(Arc::clone(name)),
            PauseScope::Everything | PauseScope::Workspace(_) => None,
        },
        reason: caller
            .owns_pause(&record.pause.scope, Some(&world.rulebook.directory))
            .then(|| record.pause.reason.clone()),
    }
}
