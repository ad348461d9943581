//! An approval without a plan that anybody looked at.

use ebbtide::{Ledger, NewApproval};
use jiff::Timestamp;

/// Approves what holds now.
pub async fn approve(ledger: &dyn Ledger) {
    let approval = NewApproval {
        revision: ledger.revision().await.unwrap(),
        plan_digest: "d".into(),
        at: Timestamp::now(),
    };
    ledger.approve(&approval, "ann").await.unwrap();
}
