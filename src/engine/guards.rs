//! The guards of the planner, once more, and those that only the executor can know.

use std::sync::Arc;

use jiff::SignedDuration;

use super::rulebook;
use super::survey::n_deleted;
use super::{Engine, EngineError};
use crate::cutoff::{Cutoff, start_of_day, utc_day};
use crate::ledger::DeletedRows;
use crate::plan::{Basis, Plan, Refusal, Step, TablePlan, refusals, touches};
use crate::resolve::Directory;
use crate::rule::Scope;

impl Engine {
    pub(super) async fn check_guards(&self, plan: &Plan) -> Result<(), EngineError> {
        self.check_ledger_clock().await?;
        if let Some(change) = self.changes_of_directory(plan).await? {
            let changes = vec![change];
            return Err(EngineError::Stale { changes });
        }
        let mut found = self.refused_by_share(plan).await?;
        found.extend(self.refused_by_time(plan));
        found.extend(self.not_asked(plan).await?);
        if !plan.steps.is_empty() {
            found.extend(self.refused_by_approval(plan).await?);
            found.extend(self.refused_by_guards(plan).await?);
        }
        if found.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Refused { refusals: found })
        }
    }

    /// The clock of the ledger's database decides when rules are armed and leases end.
    pub(super) async fn check_ledger_clock(&self) -> Result<(), EngineError> {
        if !self.clock.is_live() {
            return Ok(());
        }
        let asked_at = self.clock.now();
        let now = self.ledger.now().await?;
        let answered_at = self.clock.now();
        // A slow answer is no skew: the ledger read its clock at some time between the two.
        let ahead = now
            .clamp(asked_at, answered_at.max(asked_at))
            .duration_since(now);
        self.check_skew("the ledger", ahead)
    }

    /// Whether this machine's clock is near enough to that of a server.
    pub(super) fn check_skew(
        &self,
        server: &str,
        ahead: SignedDuration,
    ) -> Result<(), EngineError> {
        if self.clock.is_live() && ahead.unsigned_abs() > self.max_clock_skew {
            return Err(EngineError::Clock {
                server: server.to_owned(),
                ahead_s: ahead.as_secs(),
            });
        }
        Ok(())
    }

    /// The guards that no approval lifts.
    pub(super) async fn check_shares_and_times(&self, plan: &Plan) -> Result<(), EngineError> {
        let mut refusals = self.refused_by_share(plan).await?;
        refusals.extend(self.refused_by_time(plan));
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Refused { refusals })
        }
    }

    /// Rows that went on this UTC day, by this engine's clock.
    pub(super) async fn deleted_today(&self) -> Result<Vec<DeletedRows>, EngineError> {
        let midnight = start_of_day(self.clock.now());
        Ok(self.ledger.deleted_since(midnight).await?)
    }

    async fn refused_by_share(&self, plan: &Plan) -> Result<Vec<Refusal>, EngineError> {
        let deleted = self.deleted_today().await?;
        let of_now = |table: &TablePlan| TablePlan {
            n_deleted_today: n_deleted(&deleted, &table.shard, &table.table),
            ..table.clone()
        };
        let tables: Vec<TablePlan> = plan.tables.iter().map(of_now).collect();
        Ok(refusals(&tables, &plan.deferred, &self.limits))
    }

    fn refused_by_time(&self, plan: &Plan) -> Vec<Refusal> {
        let mut found = Vec::new();
        let now = self.clock.now();
        if utc_day(plan.as_of) > utc_day(now) {
            found.push(Refusal::Future {
                day: plan.day.clone(),
                today: utc_day(now),
            });
        }
        let youngest = Cutoff::at(now, self.periods.floor()).as_millisecond();
        let too_young = |step: &&Step| {
            let of_arms = step.arms.iter().map(|arm| arm.bounds);
            let mut bounds = of_arms.chain(step.expired);
            bounds.any(|bounds| bounds.below_ms > youngest)
        };
        let steps = plan.steps.iter().filter(too_young);
        found.extend(steps.map(|step| Refusal::Floor {
            step: step.number,
            table: Arc::clone(&step.table),
            floor: self.periods.floor(),
        }));
        found
    }

    /// Whether what the plan follows was approved, and armed for long enough.
    async fn refused_by_approval(&self, plan: &Plan) -> Result<Option<Refusal>, EngineError> {
        // Whoever asks for a backfill approves it by that, with its counts in view.
        if !self.needs_base() || plan.backfill.is_some() {
            return Ok(None);
        }
        let is_approved = match plan.basis {
            // Whoever approves exactly this plan need not wait until its rules are armed.
            Basis::Proposed => self.ledger.approved_revision().await? >= Some(plan.revision),
            Basis::Effective => {
                plan.base_revision.is_some() && self.base_revision().await? >= plan.base_revision
            }
        };
        if !is_approved {
            let revision = plan.base_revision.unwrap_or(plan.revision);
            return Ok(Some(Refusal::Unapproved { revision }));
        }
        let is_within = plan.basis == Basis::Proposed || self.is_within_base(plan).await?;
        let revision = plan.revision;
        Ok((!is_within).then_some(Refusal::Unapproved { revision }))
    }

    /// Whether no step reaches further than the targets of the plan's base did.
    async fn is_within_base(&self, plan: &Plan) -> Result<bool, EngineError> {
        let Some(base) = plan.base_revision else {
            return Ok(false);
        };
        let Some(changes) = self.target_changes(base).await? else {
            return Ok(false);
        };
        let concerns = |step: &Step| {
            let mut changes = changes.iter();
            changes.any(|change| change.concerns(&step.shard, &step.table))
        };
        Ok(!plan.steps.iter().any(concerns))
    }

    async fn refused_by_guards(&self, plan: &Plan) -> Result<Vec<Refusal>, EngineError> {
        let guards = rulebook::guards(&*self.ledger).await?;
        if guards.is_empty() {
            return Ok(Vec::new());
        }
        let scopes = || guards.holds().iter().map(|hold| &hold.scope);
        let of_organization = |scope: &Scope| matches!(scope, Scope::Organization(_));
        let directory = if scopes().any(of_organization) {
            rulebook::read_own_or_other(&*self.ledger, self.directory.as_ref(), scopes()).await?
        } else {
            Directory::default()
        };
        let touched = plan.steps.iter().flat_map(|step| {
            let target = plan.targets.iter().find(|planned| {
                planned.shard == step.shard && *planned.target.table == *step.table
            });
            touches(
                step,
                target.map(|planned| &planned.target),
                &guards,
                |workspace| directory.organization_of(workspace).map(|name| &**name),
            )
        });
        Ok(touched.collect())
    }
}
