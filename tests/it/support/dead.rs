//! What a process leaves that is killed between an intent and its statement.

use std::time::Duration;

use ebbtide::{CYCLE_LEASE, CycleStart, Intended, Lease, LeaseAttempt, Ledger, StepIntent};
use jiff::Timestamp;

/// The first step of the cycle `dead`, on the table `spans`, as it was about to be sent.
pub struct DeadStep<'a> {
    pub shard: &'a str,
    pub method: &'a str,
    pub n_workspaces: u64,
    pub rows_due: u64,
    /// What is due; the marker of the statement is added.
    pub predicate: &'a str,
    pub at: Timestamp,
}

impl DeadStep<'_> {
    /// Records lease, cycle and intent; returns the lease, which the dead still hold.
    pub async fn leave_in(self, ledger: &dyn Ledger, length: Duration) -> Lease {
        let asked = ledger.acquire_lease(CYCLE_LEASE, "dead", length).await;
        let LeaseAttempt::Held(lease) = asked.unwrap() else {
            panic!("nobody else has it")
        };
        let start = CycleStart {
            id: "dead".into(),
            started_at: self.at,
            as_of: self.at,
            rules_digest: "r".into(),
            revision: ledger.revision().await.unwrap(),
            kind: "run".into(),
            plan_digest: "p".into(),
            slot: None,
            holder: "dead".into(),
            lease_token: lease.token,
            asked: None,
        };
        ledger.begin_cycle(&start).await.unwrap();
        let intent = StepIntent {
            cycle: "dead".into(),
            step: 1,
            shard: self.shard.into(),
            table: "spans".into(),
            method: self.method.into(),
            shape: "in".into(),
            query_id: "ebbtide-dead-1".into(),
            statement_digest: "s".into(),
            n_workspaces: self.n_workspaces,
            rows_due: self.rows_due,
            n_parts: 0,
            predicate: format!(
                "{} AND 'ebbtide:retention:spans:dead-1' != ''",
                self.predicate
            ),
            bounds: "[]".into(),
            intended_at: self.at,
        };
        let intended = ledger.intend_step(&intent).await.unwrap();
        assert_eq!(intended, Intended::Recorded);
        lease
    }
}
