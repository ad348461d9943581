//! What the record says of partitions in quarantine.

use serde_json::json;

use super::{Deed, deed};
use crate::ledger::row::whole_microseconds;
use crate::ledger::{NewQuarantine, QuarantineChange};

pub(in crate::ledger) fn begun(new: &NewQuarantine, by: &str) -> Deed {
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

pub(in crate::ledger) fn changed(to: &QuarantineChange, by: &str) -> Deed {
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
