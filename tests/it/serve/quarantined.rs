//! A partition of `spans` in quarantine, which another process looks after.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{Ledger, NewQuarantine, QuarantineRecord, QuarantineState, Tenure};
use jiff::Timestamp;

use super::Town;

pub struct Quarantined {
    ledger: Arc<dyn Ledger>,
    tenure: Tenure,
    record: QuarantineRecord,
}

impl Quarantined {
    /// On its way there.
    pub async fn begin(town: &Town, until: Timestamp) -> Self {
        let ledger = town.ledger().await;
        let now = Timestamp::now();
        let quarantine = NewQuarantine {
            cycle: "another".into(),
            step: 1,
            partition: "202608".into(),
            shard: town.database.url().into(),
            table: "spans".into(),
            kept_in: "_ebbtide_quarantine_another_1".into(),
            began_at: now,
            keep_until: until,
        };
        let new = std::slice::from_ref(&quarantine);
        ledger.begin_quarantine(new, "another").await.unwrap();
        let tenure = Tenure::begin(&ledger, "another", Duration::from_mins(5)).await;
        Self {
            ledger,
            tenure: tenure.unwrap(),
            record: QuarantineRecord {
                quarantine,
                state: QuarantineState::Moving,
                n_rows: 7,
                n_bytes: 77,
                changed_at: now,
                changed_by: "another".into(),
            },
        }
    }

    /// What becomes of it.
    pub async fn change(&self, state: QuarantineState) {
        let record = &self.record;
        let change = record.change(state, record.changed_at, self.tenure.token());
        let changed = self.ledger.change_quarantine(&change, "another");
        changed.await.unwrap();
    }

    /// The other process gives its lease back.
    pub async fn release(self) {
        self.tenure.release().await.unwrap();
    }
}
