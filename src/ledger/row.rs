//! Rows as both databases return them, and the instants in them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{LedgerError, NewRule, PlanStatus, QuarantineState, RequestKey, RuleRecord};
use crate::audit::{Entry, Fact, canonical};
use crate::guard::PauseScope;
use crate::rule::{RuleId, Scope};
use crate::slot::SlotRange;

/// A row of `rules`, before its columns are known to make sense together.
pub(super) struct RuleRow {
    pub(super) id: RuleId,
    pub(super) organization: Option<String>,
    pub(super) workspace: Option<String>,
    pub(super) project: Option<String>,
    pub(super) retention: String,
    pub(super) apply_to_past: bool,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) deactivated_at: Option<Timestamp>,
    pub(super) deactivated_by: Option<String>,
}

impl RuleRow {
    pub(super) fn record(self) -> Result<RuleRecord, Malformed> {
        let scope = scope_of([self.organization, self.workspace, self.project])
            .ok_or_else(|| Malformed(format!("rule {} has no single scope", self.id)))?;
        let rule = NewRule {
            scope,
            retention: self.retention,
            apply_to_past: self.apply_to_past,
            created_at: self.created_at,
        };
        let deactivated = self.deactivated_at.zip(self.deactivated_by);
        Ok(RuleRecord {
            id: self.id,
            rule,
            created_by: self.created_by,
            deactivated,
        })
    }
}

/// The columns `organization`, `workspace` and `project` of a scope.
pub(super) fn scope_columns(scope: &Scope) -> [Option<&str>; 3] {
    match scope {
        Scope::Organization(name) => [Some(name), None, None],
        Scope::Workspace(name) => [None, Some(name), None],
        Scope::Project { workspace, project } => [None, Some(workspace), Some(project)],
    }
}

/// Somebody changed the database by hand.
#[derive(Debug, thiserror::Error)]
#[error("{0}; correct the row by hand")]
pub(super) struct Malformed(pub(super) String);

/// The instant as the ledger keeps it.
pub(super) fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Refuses what the date types of the databases cannot hold.
pub(super) fn storable(at: Timestamp) -> Result<Timestamp, LedgerError> {
    match at {
        // The year 9999 ends a few hours before `Timestamp::MAX` does.
        at if at < Timestamp::UNIX_EPOCH || at.as_second() >= 253_402_207_200 => {
            Err(LedgerError::Instant { at })
        }
        at => Ok(whole_microseconds(at)),
    }
}

/// As [`storable`], but an instant between two microseconds becomes the later one: the end of a hold
/// must not come early.
pub(super) fn storable_up(at: Timestamp) -> Result<Timestamp, LedgerError> {
    let whole = storable(at)?;
    if whole == at {
        return Ok(whole);
    }
    let later = whole.as_microsecond().saturating_add(1);
    storable(Timestamp::from_microsecond(later).unwrap_or(at))
}

/// The scope in the columns `organization`, `workspace` and `project`.
pub(super) fn scope_of(names: [Option<String>; 3]) -> Option<Scope> {
    match names {
        [Some(name), None, None] => Some(Scope::Organization(name.into())),
        [None, Some(name), None] => Some(Scope::Workspace(name.into())),
        [None, Some(workspace), Some(project)] => Some(Scope::Project {
            workspace: workspace.into(),
            project: project.into(),
        }),
        _ => None,
    }
}

/// The scope in the columns `scope_kind` and `scope_name` of a pause.
pub(super) fn pause_scope(kind: &str, name: Option<String>) -> Result<PauseScope, Malformed> {
    match (kind, name) {
        ("everything", None) => Ok(PauseScope::Everything),
        ("target", Some(name)) => Ok(PauseScope::Target(name.into())),
        ("workspace", Some(name)) => Ok(PauseScope::Workspace(name.into())),
        _ => Err(Malformed(format!("a pause has no scope ({kind})"))),
    }
}

/// A digest that is equal exactly for equal scopes of pauses.
pub(super) fn pause_key(scope: &PauseScope) -> [u8; 32] {
    let name = scope.name().map_or("", |name| name);
    Sha256::digest(format!("{}:{name}", scope.kind()).as_bytes()).into()
}

pub(super) fn plan_status(word: &str) -> Result<PlanStatus, Malformed> {
    use PlanStatus::{Applied, Approved, Pending, Stale};
    [Pending, Approved, Applied, Stale]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| Malformed(format!("{word:?} is no status of a plan")))
}

pub(super) fn quarantine_state(word: &str) -> Result<QuarantineState, Malformed> {
    QuarantineState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| Malformed(format!("{word:?} is no state of a quarantine")))
}

/// A row of `audit`. What cannot be read as it was written stays in the entry as text, so that the
/// verification of the chain finds it, instead of ending there.
pub(super) struct EntryRow {
    pub(super) seq: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) actor: String,
    pub(super) kind: String,
    pub(super) body: String,
    pub(super) previous: String,
    pub(super) hash: String,
}

impl EntryRow {
    pub(super) fn entry(self) -> Entry {
        let body = serde_json::from_str(&self.body)
            .ok()
            .filter(|body| canonical(body).is_ok_and(|text| text == self.body))
            .unwrap_or(serde_json::Value::String(self.body));
        Entry {
            seq: self.seq,
            fact: Fact {
                at: self.at.unwrap_or_default(),
                actor: self.actor,
                kind: self.kind,
                body,
            },
            previous: self.previous,
            hash: self.hash,
        }
    }
}

/// What a repeated request is told: the text that the first one left, if it is the same request.
pub(super) fn repeated<T: DeserializeOwned>(
    key: &RequestKey,
    request: &[u8],
    result: &str,
) -> Result<T, LedgerError> {
    if request != key.request {
        return Err(LedgerError::RequestKeyReused);
    }
    serde_json::from_str(result).map_err(|source| LedgerError::Database {
        action: "read what the request created before",
        source: source.into(),
    })
}

/// How long the key of a request is remembered.
const REQUEST_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Requests from before this are forgotten.
pub(super) fn oldest_request(now: Timestamp) -> Timestamp {
    now.checked_sub(REQUEST_AGE).unwrap_or(now)
}

/// When a lease ends that is granted or renewed now.
pub(super) fn lease_end(now: Timestamp, length: Duration) -> Result<Timestamp, LedgerError> {
    now.checked_add(length)
        .map_err(|_| LedgerError::Instant { at: Timestamp::MAX })
        .and_then(storable)
}

/// The slot in the columns `slot_day`, `slot_from` and `slot_to`.
pub(super) fn slot_of(
    day: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
) -> Option<(String, SlotRange)> {
    let (day, (from, to)) = day.zip(from.zip(to))?;
    Some((day, SlotRange { from, to }))
}
