//! Plans that somebody reviewed: whether the world still is that of the plan, and applying it.

mod changes;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::{CycleKind, CycleReport, CycleStatus, Engine, EngineError, Tenure};
use crate::config::ApprovalMode;
use crate::cutoff::utc_day;
use crate::ledger::{Approval, NewApproval};
use crate::plan::{Basis, Plan};

use changes::named;

/// How old a plan may be when it is approved: every day more is expired than it shows.
pub(crate) const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Engine {
    /// Whether a plan from a file or from the ledger may be applied now: it is as it was made, and
    /// rules, settings, holds, pauses, directory and tables are those that it was made from. A plan
    /// of an earlier day may be: its cutoffs are older than those of today.
    ///
    /// # Errors
    /// [`EngineError::Stale`] with everything that changed, or that nobody can have seen;
    /// [`EngineError::Refused`] if a guard forbids it whoever approves it.
    pub async fn reviewed(&self, plan: &Plan) -> Result<(), EngineError> {
        if plan.computed_digest() != plan.digest {
            let change = "the plan itself: its digest is another one, so it was edited or cut off";
            return Err(EngineError::Stale {
                changes: vec![change.into()],
            });
        }
        let mut changes = self.unseen(plan);
        changes.extend(self.changes_of_the_ledger(plan).await?);
        changes.extend(self.changes_of_directory(plan).await?);
        changes.extend(self.changes_of_targets(plan).await?);
        // An approval covers the tables that nothing goes from, too.
        if changes.is_empty() && self.noted(plan).await?.as_ref() != Some(&self.settings) {
            let change = "targets, clickhouse.database or clickhouse.shards are not those that the \
                          plan was made with";
            changes.push(change.into());
        }
        if !changes.is_empty() {
            return Err(EngineError::Stale { changes });
        }
        // What is refused anyway is not approved either: nobody saw what its rules delete.
        self.check_shares_and_times(plan).await
    }

    /// What nobody can have seen in this plan, although its approval would be one of all rules.
    pub(crate) fn unseen(&self, plan: &Plan) -> Vec<String> {
        let mut unseen = Vec::new();
        if plan.backfill.is_some() {
            unseen.push(
                "the rules: it is the plan of a backfill, which shows nothing of them; `ebbtide \
                 backfill` makes one and executes it"
                    .into(),
            );
        }
        if plan.is_hypothetical() {
            unseen.push(format!(
                "the day: it was made on {} as of {}, and such a plan is to look at; make it as of now",
                utc_day(plan.made_at),
                plan.day
            ));
        }
        let age = self.clock.now().duration_since(plan.made_at);
        if age > MAX_AGE {
            unseen.push(format!(
                "the days since {}: more is expired by now than it shows; make it again",
                utc_day(plan.made_at)
            ));
        }
        if self.approval == ApprovalMode::Required {
            if plan.basis != Basis::Proposed || plan.slot.is_some() {
                unseen.push(
                    "all that its rules delete: it shows only what was approved before; make it \
                     with `ebbtide plan --out`"
                        .into(),
                );
            }
            // A workspace that is left alone for its own rules gets other ones before it has a
            // share in anything; it must not keep the rest from being approved.
            let unseen_tables = plan
                .unprobed
                .iter()
                .filter(|found| found.workspace.is_none());
            let lines = unseen_tables.map(|unprobed| {
                let table = unprobed.table.as_deref().unwrap_or("every table");
                format!(
                    "{table} on {} could not be looked at when it was made, so nobody saw what goes \
                     there: {}",
                    unprobed.shard, unprobed.reason
                )
            });
            unseen.extend(named(lines, "tables that could not be looked at"));
        }
        unseen
    }

    /// Approves a plan in a person's name and executes exactly it.
    ///
    /// # Errors
    /// [`EngineError::Stale`] if the world changed since it was made, also where that was after its
    /// approval and before its first statement; else as [`Engine::apply`].
    pub async fn apply_reviewed(
        &self,
        plan: &Plan,
        by: &str,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<CycleReport, EngineError> {
        // Or else it would be approved, and not applied.
        self.check_window()?;
        self.settle_left(tenure).await?;
        self.reviewed(plan).await?;
        let approval = NewApproval {
            revision: plan.revision,
            plan_digest: plan.digest.clone(),
            at: self.clock.now(),
        };
        if let Approval::Stale { revision } = self.ledger.approve(&approval, by).await? {
            let change = format!("the ledger moved on to revision {revision} just now");
            return Err(EngineError::Stale {
                changes: vec![change],
            });
        }
        let report = self.apply(plan, CycleKind::Apply, tenure, stop).await?;
        if report.status == CycleStatus::Stale && report.n_statements() == 0 {
            let changes = self.changes_since(plan).await?;
            return Err(EngineError::Stale { changes });
        }
        Ok(report)
    }

    /// What changed in the ledger since a plan was made, in words.
    ///
    /// # Errors
    /// [`EngineError::Ledger`].
    pub(crate) async fn changes_since(&self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        self.changes_of_the_ledger(plan).await
    }
}
