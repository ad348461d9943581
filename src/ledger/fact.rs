//! What the record says of each change of the ledger.
//!
//! Invariant: a body holds ids, scopes, retentions, digests, counts and cutoffs; never row content.

pub(super) mod cycle;
pub(super) mod import;
pub(super) mod quarantine;
pub(super) mod step;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::row::whole_microseconds;
use super::{
    CreatedRule, MutationKill, NewApproval, NewHold, NewPause, NewPlan, NewRule, PlanRecord,
    PrunedRecord,
};
use crate::audit::Head;
use crate::guard::PauseScope;
use crate::rule::{RuleId, Scope};

/// A fact before it has a time and a place in the chain.
pub(super) struct Deed {
    pub(super) kind: &'static str,
    pub(super) actor: String,
    pub(super) body: Value,
}

fn deed(kind: &'static str, actor: &str, body: Value) -> Deed {
    Deed {
        kind,
        actor: actor.to_owned(),
        body,
    }
}

fn scope(scope: &Scope) -> Value {
    match scope {
        Scope::Organization(organization) => json!({"organization": organization}),
        Scope::Workspace(workspace) => json!({"workspace": workspace}),
        Scope::Project { workspace, project } => {
            json!({"workspace": workspace, "project": project})
        }
    }
}

pub(super) fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

pub(super) fn rule_created(rule: &NewRule, created: CreatedRule, revision: u64, by: &str) -> Deed {
    let body = json!({
        "rule": created.id,
        "replaced": created.replaced,
        "scope": scope(&rule.scope),
        "retention": rule.retention,
        "apply_to_past": rule.apply_to_past,
        "created_at": whole_microseconds(rule.created_at),
        "revision": revision,
    });
    deed("rule_created", by, body)
}

pub(super) fn rule_deactivated(id: RuleId, at: Timestamp, revision: u64, by: &str) -> Deed {
    let body = json!({"rule": id, "deactivated_at": whole_microseconds(at), "revision": revision});
    deed("rule_deactivated", by, body)
}

pub(super) fn settings_noted(settings: &str, revision: u64, by: &str) -> Deed {
    let body = json!({"settings": settings, "revision": revision});
    deed("settings_noted", by, body)
}

pub(super) fn hold_placed(id: u64, hold: &NewHold, revision: u64, by: &str) -> Deed {
    let body = json!({
        "hold": id,
        "scope": scope(&hold.scope),
        "from": hold.range.from,
        "until": hold.range.until,
        "reason": hold.reason,
        "owner": hold.owner,
        "revision": revision,
    });
    deed("hold_placed", by, body)
}

pub(super) fn hold_released(id: u64, revision: u64, by: &str) -> Deed {
    let body = json!({"hold": id, "revision": revision});
    deed("hold_released", by, body)
}

pub(super) fn paused(id: u64, pause: &NewPause, revision: u64, by: &str) -> Deed {
    let body = json!({
        "pause": id,
        "scope": pause_scope(&pause.scope),
        "reason": pause.reason,
        "revision": revision,
    });
    deed("paused", by, body)
}

pub(super) fn resumed(id: u64, scope: &PauseScope, revision: u64, by: &str) -> Deed {
    let body = json!({"pause": id, "scope": pause_scope(scope), "revision": revision});
    deed("resumed", by, body)
}

fn pause_scope(scope: &PauseScope) -> Value {
    match scope {
        PauseScope::Everything => json!("everything"),
        PauseScope::Target(target) => json!({"target": target}),
        PauseScope::Workspace(workspace) => json!({"workspace": workspace}),
    }
}

pub(super) fn plan_kept(plan: &NewPlan, by: &str) -> Deed {
    let body = json!({
        "plan": plan.id,
        "plan_digest": plan.digest,
        "n_due": plan.n_due,
        "revision": plan.revision,
    });
    deed("plan_kept", by, body)
}

pub(super) fn plan_approved(plan: &PlanRecord, by: &str) -> Deed {
    let body = json!({
        "plan": plan.id,
        "plan_digest": plan.digest,
        "revision": plan.revision,
    });
    deed("plan_approved", by, body)
}

pub(super) fn approved(approval: &NewApproval, by: &str) -> Deed {
    let body = json!({"plan_digest": approval.plan_digest, "revision": approval.revision});
    deed("approved", by, body)
}

pub(super) fn lease_taken_over(
    name: &str,
    holder: &str,
    token: u64,
    from: &str,
    ended_at: Timestamp,
) -> Deed {
    let body = json!({"lease": name, "token": token, "from": from, "ended_at": ended_at});
    deed("lease_taken_over", holder, body)
}

/// Recorded before the server is asked: whether it did so, it says itself.
pub(super) fn mutation_killed(kill: &MutationKill, by: &str) -> Deed {
    let body = json!({
        "shard": kill.shard,
        "table": kill.table,
        "mutation": kill.mutation,
        "marker": kill.marker,
    });
    deed("mutation_killed", by, body)
}

/// `up_to` is the last entry that is gone: the first one left continues it.
pub(super) fn record_pruned(
    before: Timestamp,
    pruned: PrunedRecord,
    up_to: &Head,
    by: &str,
) -> Deed {
    let body = json!({
        "before": whole_microseconds(before),
        "n_cycles": pruned.n_cycles,
        "n_entries": pruned.n_entries,
        "up_to": up_to.seq,
        "hash": up_to.hash,
    });
    deed("record_pruned", by, body)
}
