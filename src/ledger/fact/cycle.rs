//! What the record says of cycles.

use jiff::Timestamp;
use serde_json::json;

use super::{Deed, deed};
use crate::ledger::CycleStart;
use crate::ledger::row::whole_microseconds;

pub(in crate::ledger) fn begun(start: &CycleStart) -> Deed {
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
pub(in crate::ledger) fn renewed(cycle: &CycleStart, revision: u64, rules_digest: &str) -> Deed {
    let body = json!({
        "cycle": cycle.id,
        "from": cycle.revision,
        "to": revision,
        "rules_digest": rules_digest,
    });
    deed("cycle_renewed", &cycle.holder, body)
}

pub(in crate::ledger) fn ended(id: &str, status: &str, at: Timestamp, holder: &str) -> Deed {
    let body = json!({"cycle": id, "status": status, "ended_at": whole_microseconds(at)});
    deed("cycle_ended", holder, body)
}
