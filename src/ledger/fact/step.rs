//! What the record says of the steps of cycles.

use serde_json::json;

use super::{Deed, deed, digest};
use crate::ledger::row::whole_microseconds;
use crate::ledger::{StepIntent, StepOutcome};

pub(in crate::ledger) fn intended(intent: &StepIntent, holder: &str) -> Deed {
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

pub(in crate::ledger) fn finished(outcome: &StepOutcome, holder: &str) -> Deed {
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
