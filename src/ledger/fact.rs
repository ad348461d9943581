//! What the record says of each change of the ledger.
//!
//! Invariant: a body holds ids, scopes, retentions, digests, counts and cutoffs; never row content.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::import::{Changes, Keyed, Pair};
use super::row::whole_microseconds;
use super::{
    CreatedRule, CycleStart, ImportedRules, MutationKill, NewApproval, NewHold, NewPause, NewPlan,
    NewQuarantine, NewRule, PlanRecord, PrunedRecord, QuarantineChange, StepIntent, StepOutcome,
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

/// What an import of rules or workspaces has written, in the order in which it came.
#[derive(Default)]
pub(super) struct Written {
    hasher: Sha256,
    ids: Option<(RuleId, RuleId)>,
}

impl Written {
    fn feed(&mut self, part: &[u8]) {
        self.hasher.update(part.len().to_string());
        self.hasher.update(b":");
        self.hasher.update(part);
    }

    /// Adds rules, numbered from `first` on, and the numbers of those that they replaced.
    pub(super) fn add_rules(&mut self, first: Option<RuleId>, changes: &Changes) {
        for id in &changes.deactivate {
            self.feed(&id.to_be_bytes());
        }
        for Keyed { key, value: rule } in &changes.create {
            self.feed(key);
            self.feed(rule.retention.as_bytes());
            self.feed(&[u8::from(rule.apply_to_past)]);
            self.feed(&rule.created_at.as_microsecond().to_be_bytes());
        }
        let n_rules = u64::try_from(changes.create.len()).unwrap_or(u64::MAX);
        if let Some(first) = first.filter(|_| n_rules > 0) {
            let last = first.saturating_add(n_rules - 1);
            self.ids = Some((self.ids.map_or(first, |ids| ids.0), last));
        }
    }

    pub(super) fn add_workspaces(&mut self, pairs: &[&Keyed<Pair>]) {
        for pair in pairs {
            self.feed(&pair.key);
            self.feed(pair.value.1.as_bytes());
        }
    }

    fn digest(self) -> String {
        format!("{:x}", self.hasher.finalize())
    }

    pub(super) fn rules_imported(self, imported: ImportedRules, revision: u64, by: &str) -> Deed {
        let (first, last) = self.ids.unzip();
        let body = json!({
            "n_created": imported.n_created,
            "n_replaced": imported.n_replaced,
            "n_unchanged": imported.n_unchanged,
            "first_rule": first,
            "last_rule": last,
            "digest": self.digest(),
            "revision": revision,
        });
        deed("rules_imported", by, body)
    }

    pub(super) fn workspaces_put(self, n_changed: u64, revision: u64, by: &str) -> Deed {
        let body = json!({"n_changed": n_changed, "digest": self.digest(), "revision": revision});
        deed("workspaces_put", by, body)
    }
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

pub(super) fn cycle_begun(start: &CycleStart) -> Deed {
    let slot = start
        .slot
        .as_ref()
        .map(|(day, range)| json!({"day": day, "from": range.from, "to": range.to}));
    let mut body = json!({
        "cycle": start.id,
        "kind": start.kind,
        "as_of": whole_microseconds(start.as_of),
        "rules_digest": start.rules_digest,
        "plan_digest": start.plan_digest,
        "slot": slot,
        "lease_token": start.lease_token,
        "revision": start.revision,
    });
    // Cycles that follow the rules have no such line in the chain.
    if let (Some(body), Some(asked)) = (body.as_object_mut(), &start.asked) {
        body.insert("asked".into(), asked.as_str().into());
    }
    deed("cycle_begun", &start.holder, body)
}

/// The ledger moved on, and the cycle goes on with what the rules of then still allow.
pub(super) fn cycle_renewed(cycle: &CycleStart, revision: u64, rules_digest: &str) -> Deed {
    let body = json!({
        "cycle": cycle.id,
        "from": cycle.revision,
        "to": revision,
        "rules_digest": rules_digest,
    });
    deed("cycle_renewed", &cycle.holder, body)
}

pub(super) fn step_intended(intent: &StepIntent, holder: &str) -> Deed {
    let mut body = json!({
        "cycle": intent.cycle,
        "step": intent.step,
        "shard": intent.shard,
        "table": intent.table,
        "method": intent.method,
        "shape": intent.shape,
        "query_id": intent.query_id,
        "statement_digest": intent.statement_digest,
        "predicate_digest": digest(&intent.predicate),
        "bounds": intent.bounds,
        "n_workspaces": intent.n_workspaces,
        "rows_due": intent.rows_due,
        "intended_at": whole_microseconds(intent.intended_at),
    });
    // Steps from before parts were counted have no such line in the chain.
    if let (Some(body), true) = (body.as_object_mut(), intent.n_parts > 0) {
        body.insert("n_parts".into(), intent.n_parts.into());
    }
    deed("step_intended", holder, body)
}

pub(super) fn step_finished(outcome: &StepOutcome, holder: &str) -> Deed {
    let body = json!({
        "cycle": outcome.cycle,
        "step": outcome.step,
        "verdict": outcome.verdict,
        "rows_left": outcome.rows_left,
        "error_digest": outcome.error.as_deref().map(digest),
        "duration_ms": outcome.duration_ms,
        "finished_at": whole_microseconds(outcome.finished_at),
    });
    deed("step_finished", holder, body)
}

pub(super) fn quarantine_begun(new: &NewQuarantine, by: &str) -> Deed {
    let body = json!({
        "cycle": new.cycle,
        "step": new.step,
        "partition": new.partition,
        "shard": new.shard,
        "table": new.table,
        "kept_in": new.kept_in,
        "began_at": whole_microseconds(new.began_at),
        "keep_until": whole_microseconds(new.keep_until),
    });
    deed("quarantine_begun", by, body)
}

pub(super) fn quarantine_changed(to: &QuarantineChange, by: &str) -> Deed {
    let body = json!({
        "cycle": to.cycle,
        "step": to.step,
        "partition": to.partition,
        "state": to.state.as_str(),
        "n_rows": to.n_rows,
        "n_bytes": to.n_bytes,
        "changed_at": whole_microseconds(to.at),
    });
    deed("quarantine_changed", by, body)
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

pub(super) fn cycle_ended(id: &str, status: &str, at: Timestamp, holder: &str) -> Deed {
    let body = json!({"cycle": id, "status": status, "ended_at": whole_microseconds(at)});
    deed("cycle_ended", holder, body)
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
