//! When a rule acts: at once, after an approval, or after the time in which it can be taken back.
//!
//! Invariant: a rule that keeps longer acts at once; only one that deletes more has to wait.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::{ApprovalMode, Config};
use crate::engine::{BaseBook, Promise};
use crate::http::memory::Seen;
use crate::ledger::NewRule;
use crate::resolve::Directory;
use crate::rule::{Retention, Scope};

/// When a rule acts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Effect {
    /// When.
    acts: Acts,
    /// Until when it is only armed, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    armed_until: Option<Timestamp>,
    /// The same, in words.
    detail: String,
}

/// When a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Acts {
    /// From the next cycle on.
    AtOnce,
    /// When it has been armed for the configured time, unless it is taken back.
    WhenArmed,
    /// When a plan that contains it is approved.
    AfterApproval,
}

impl Effect {
    /// What becomes of a rule, given the rules before it.
    pub(in crate::http) fn of(
        config: &Config,
        before: &Seen,
        rule: &NewRule,
        retention: &Retention,
    ) -> Self {
        let from = (!rule.apply_to_past).then_some(rule.created_at);
        let after = Promise::since(retention, from);
        let is_shorter = after.deletes_more_than(promised(config, before, &rule.scope));
        // What every target keeps waiting does not go at once either.
        let is_stopped = before.world.is_stopped && after.deletes_more_than(Promise::FOR_EVER);
        let armed_for = SignedDuration::try_from(config.armed_for).unwrap_or_default();
        let armed_until = (is_shorter && !armed_for.is_zero()).then(|| {
            rule.created_at
                .saturating_add(armed_for)
                .unwrap_or(Timestamp::MAX)
        });
        let (acts, detail) = match (is_shorter || is_stopped, config.approval, armed_until) {
            (false, ..) => (
                Acts::AtOnce,
                "it deletes no more than what may be deleted already, and acts at once".to_owned(),
            ),
            (true, ApprovalMode::Required, _) => (
                Acts::AfterApproval,
                "it deletes more than what may be deleted already, and waits until a plan made from now on is approved".into(),
            ),
            (true, ApprovalMode::None, Some(until)) => (
                Acts::WhenArmed,
                format!("it deletes more than what may be deleted already, and is armed: it can be taken back until {until}"),
            ),
            (true, ApprovalMode::None, None) if is_stopped => (
                Acts::WhenArmed,
                "every target reaches further than before, and its rows wait until that has been armed for long enough".into(),
            ),
            (true, ApprovalMode::None, None) => {
                (Acts::AtOnce, "it deletes more than what may be deleted already, and acts at once".into())
            }
        };
        Self {
            acts,
            armed_until,
            detail,
        }
    }
}

/// What may be deleted of a scope without waiting: what the base says. Nothing where there is none.
fn promised(config: &Config, before: &Seen, scope: &Scope) -> Promise {
    let rulebook = &before.world.rulebook;
    let (rules, default) = match &*before.world.base {
        BaseBook::NotNeeded | BaseBook::Same { .. } => (&rulebook.rules, &config.default_retention),
        BaseBook::Earlier { rules, default, .. } => (rules, default),
        BaseBook::Missing => return Promise::FOR_EVER,
    };
    let directory = match scope {
        Scope::Organization(_) => Directory::default(),
        Scope::Workspace(workspace) | Scope::Project { workspace, .. } => {
            of_workspace(&rulebook.directory, workspace)
        }
    };
    Promise::of(scope, rules, &directory, default)
}

/// The part of a directory that one workspace needs: resolution looks every organization up.
pub(in crate::http) fn of_workspace(directory: &Directory, workspace: &str) -> Directory {
    let pair = directory
        .organization_of(workspace)
        .map(|name| (workspace, name));
    Directory::new(pair).unwrap_or_default()
}
