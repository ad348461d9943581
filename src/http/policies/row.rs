//! Why a row is still there.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::{AppliedHold, AppliedPause, Policy, Waiting, WaitsFor};
use crate::resolve::Fate;

/// What becomes of a row.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Row {
    /// Its time.
    time: Timestamp,
    /// Whether it is expired.
    is_expired: bool,
    /// From when on it is expired; missing for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// What keeps it, or that nothing does.
    verdict: RowVerdict,
    /// The same in words.
    reason: String,
}

/// What keeps a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum RowVerdict {
    /// Its retention is unlimited.
    Unlimited,
    /// It is older than a rule that does not apply to the past.
    OlderThanTheRule,
    /// It is not expired yet.
    NotExpired,
    /// A hold keeps it.
    Held,
    /// It is expired, and waits for an approval, or until the rules have been armed for long enough.
    Waiting,
    /// It is expired, and deletes are paused.
    Paused,
    /// It is expired, and the sidecar only plans.
    DryRun,
    /// It is expired: the next cycle that comes to it deletes it, unless the target keeps it because
    /// another table refers to it.
    Due,
}

impl Row {
    pub(super) fn judge(time: Timestamp, fate: Fate, policy: &Policy) -> Self {
        let (verdict, reason) = match fate {
            Fate::Unlimited => (
                RowVerdict::Unlimited,
                "it stays: its retention is unlimited".to_owned(),
            ),
            Fate::OlderThanTheRule => (
                RowVerdict::OlderThanTheRule,
                "it stays: it is older than the rule, which does not apply to the past".into(),
            ),
            Fate::NotExpired { at } => (
                RowVerdict::NotExpired,
                format!("it stays until it expires at {at}"),
            ),
            Fate::Expired { at } => expired(time, at, policy),
        };
        Self {
            time,
            is_expired: matches!(fate, Fate::Expired { .. }),
            expires_at: fate.expires_at(),
            verdict,
            reason,
        }
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

/// What becomes of a row that expired.
fn expired(time: Timestamp, at: Timestamp, policy: &Policy) -> (RowVerdict, String) {
    let holds = |hold: &&AppliedHold| {
        hold.from.is_none_or(|from| time >= from) && hold.until.is_none_or(|until| time < until)
    };
    // A row whose project nobody named may be one that a hold of a project keeps.
    let is_certain = |hold: &&AppliedHold| hold.project.is_none() || policy.project.is_some();
    let (held_by, perhaps): (Vec<_>, Vec<_>) =
        policy.holds.iter().filter(holds).partition(is_certain);
    if let Some(hold) = held_by.first() {
        let reason = format!("it expired at {at}, and stays: hold {} keeps it", hold.id);
        return (RowVerdict::Held, reason);
    }
    let is_deletable = |waiting: &Waiting| {
        let bounds = waiting.bounds;
        bounds.is_some_and(|bounds| bounds.contains(time.as_millisecond()))
    };
    let waiting = policy.waiting.as_ref();
    if let Some(waiting) = waiting.filter(|waiting| !is_deletable(waiting)) {
        let what = match waiting.waits_for {
            WaitsFor::Approval => "a plan is approved",
            WaitsFor::Armed => "the rules have been armed for long enough",
        };
        let reason = format!("it expired at {at}, and stays until {what}");
        return (RowVerdict::Waiting, reason);
    }
    let is_of_all_tables = |pause: &&AppliedPause| pause.target.is_none();
    if let Some(pause) = policy.pauses.iter().find(is_of_all_tables) {
        let id = pause.id;
        let reason = format!("it expired at {at}, and stays while pause {id} stops deletes");
        return (RowVerdict::Paused, reason);
    }
    if !policy.is_enabled {
        let reason = format!("it expired at {at}, and stays: retention.enabled is false");
        return (RowVerdict::DryRun, reason);
    }
    let reason = format!(
        "it expired at {at}: the next cycle that comes to it deletes it, unless the target keeps it{}",
        exceptions(policy, &perhaps)
    );
    (RowVerdict::Due, reason)
}

/// What of the tables and projects that nobody named stays all the same.
fn exceptions(policy: &Policy, holds: &[&AppliedHold]) -> String {
    let until_resumed = policy.pauses.iter().filter_map(|pause| {
        let table = pause.target.as_ref()?;
        Some(format!(
            "; in {table} it stays while pause {} lasts",
            pause.id
        ))
    });
    let until_released = holds.iter().filter_map(|hold| {
        let project = hold.project.as_ref()?;
        Some(format!(
            "; in project {project:?} hold {} keeps it",
            hold.id
        ))
    });
    let until_approved = policy.target_changes.iter();
    let until_approved = until_approved
        .map(|change| format!("; it waits where a target reaches further ({change})"));
    until_resumed
        .chain(until_released)
        .chain(until_approved)
        .collect()
}
