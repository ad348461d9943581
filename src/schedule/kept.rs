//! Kept plans: those that an admin approved, and those that one should look at.

use std::sync::{MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tracing::Instrument as _;

use super::attempts::{LONGEST, delay, hastened};
use super::cycle::{Cycled, End, unless_left};
use super::world::{N_PLANS, World};
use super::{Live, Phase, Sidecar, Stop, Then, error_chain};
use crate::config::ApprovalMode;
use crate::engine::{CycleKind, CycleStatus, EngineError, MAX_AGE, PlanRequest, Tenure};
use crate::ledger::{LedgerError, NewPlan, PlanRecord, PlanStatus};
use crate::plan::Plan;
use crate::slot::SlotRange;

/// A larger plan is not kept: the ledger's database may refuse such a statement. A person can still
/// make it a file.
pub(crate) const LARGEST_PLAN: usize = 8 * 1024 * 1024;
/// How far back it is looked whether a plan has been applied already.
const N_CYCLES: u32 = 100;

/// How long nobody asks whether there still is a plan to review. A plan for everybody is not cheap.
const A_WHILE: SignedDuration = SignedDuration::from_hours(1);
/// The same where a plan would be too large.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// An approved plan that could not be applied.
pub(super) struct PutOff {
    /// How often in a row.
    n_failed: usize,
    failed_at: Timestamp,
    retry_at: Timestamp,
}

impl PutOff {
    /// Somebody may have mended something.
    pub(super) fn hasten(&mut self) {
        self.retry_at = hastened(self.failed_at, self.retry_at);
    }
}

impl Live {
    fn kept_for(&self) -> MutexGuard<'_, Option<(u64, Timestamp)>> {
        self.kept_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sidecar {
    /// Applies the oldest approved plan, exactly as it was approved.
    pub(super) async fn apply_approved(
        &mut self,
        live: &Live,
        stop: &Stop,
    ) -> Result<Then, EngineError> {
        let tenure = match self.take_lease(live, stop).await? {
            Ok(tenure) => tenure,
            Err(then) => return Ok(then),
        };
        let applied = Box::pin(self.approved(live, &tenure, stop)).await;
        self.give_lease_back(tenure, stop).await;
        applied.map(|()| Then::Again)
    }

    async fn approved(
        &mut self,
        live: &Live,
        tenure: &Tenure,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        // Before the lease was ours, somebody else may have applied it.
        let looked = stop.unless_told(self.look(&live.engine)).await;
        let Some(world) = looked.transpose()? else {
            return Ok(());
        };
        let Some(record) = self.due_plan(&world) else {
            return Ok(());
        };
        let status = match Box::pin(self.apply_kept(live, tenure, record, &world, stop)).await {
            Ok(status) => status,
            Err(error @ EngineError::Ledger(_)) => return Err(error),
            Err(error) => {
                self.put_off(record, &error, world.now);
                return Ok(());
            }
        };
        if let Some(status) = status {
            self.ledger.mark_plan(&record.id, status).await?;
        }
        Ok(())
    }

    /// The oldest approved plan that is not put off.
    pub(super) fn due_plan<'w>(&self, world: &'w World) -> Option<&'w PlanRecord> {
        let is_due = |plan: &&PlanRecord| {
            let put_off = self.put_off.get(&plan.id);
            put_off.is_none_or(|put_off| put_off.retry_at <= world.now)
        };
        world.approved.iter().find(is_due)
    }

    /// It stays approved, and the slots go on meanwhile: one shard may be down for long.
    fn put_off(&mut self, record: &PlanRecord, error: &EngineError, now: Timestamp) {
        let before = self.put_off.get(&record.id);
        let n_failed = before.map_or(0, |put_off| put_off.n_failed) + 1;
        let wait = delay(n_failed, LONGEST);
        self.count_error(error);
        tracing::warn!(
            plan = record.id,
            reason = error_chain(error),
            wait_ms = crate::telemetry::ms(wait),
            "an approved plan is tried again later; slots go on"
        );
        let put_off = PutOff {
            n_failed,
            failed_at: now,
            retry_at: now + wait,
        };
        self.put_off.insert(record.id.clone(), put_off);
    }

    /// What the plan is from now on; nothing if it stays approved.
    async fn apply_kept(
        &mut self,
        live: &Live,
        tenure: &Tenure,
        record: &PlanRecord,
        world: &World,
        stop: &Stop,
    ) -> Result<Option<PlanStatus>, EngineError> {
        let begun = |cycle: &crate::ledger::CycleRecord| cycle.start.plan_digest == record.digest;
        if self.ledger.cycles(N_CYCLES).await?.iter().any(begun) {
            // Whoever began it was killed; what is left of it is due with the slots.
            return Ok(Some(PlanStatus::Applied));
        }
        let Some((_, body)) = self.ledger.kept_plan(&record.id).await? else {
            return Ok(Some(PlanStatus::Stale));
        };
        let plan: Plan = match serde_json::from_str(&body) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(plan = record.id, %error, "an approved plan cannot be read");
                return Ok(Some(PlanStatus::Stale));
            }
        };
        let reviewed = async {
            live.engine.settle_left(tenure).await?;
            live.engine.reviewed(&plan).await
        };
        let Some(reviewed) = stop.unless_told(reviewed).await else {
            return Ok(None);
        };
        match reviewed {
            Ok(()) => {}
            Err(error @ (EngineError::Stale { .. } | EngineError::Refused { .. })) => {
                let reason = error_chain(&error);
                tracing::warn!(plan = record.id, reason, "an approved plan is not applied");
                return Ok(Some(PlanStatus::Stale));
            }
            Err(error) => return Err(error),
        }
        let reason = format!("the approved plan {}", record.id);
        self.board.phase(Phase::Working, reason, world.now);
        let started_at = std::time::Instant::now();
        let span = tracing::info_span!("cycle", kind = "apply", day = world.day);
        let applied = live
            .engine
            .apply(&plan, CycleKind::Apply, tenure, &stop.gently);
        let end = unless_left(applied, stop).instrument(span).await;
        let cycled = Cycled {
            plan: Some(plan),
            together: end.report().cloned(),
            end,
            took: started_at.elapsed(),
        };
        self.note("apply", None, &cycled);
        if let Some(plan) = &cycled.plan {
            // Its cutoffs may be older than those of today, and some of it may have failed: what
            // is done of today is looked at again.
            self.look_at(plan, SlotRange::ALL, &cycled, None, world, stop)
                .await;
        }
        match cycled.end {
            End::Reported(report) if report.status == CycleStatus::Stopped => {
                Ok((report.n_statements() > 0).then_some(PlanStatus::Applied))
            }
            End::Reported(report) if report.status == CycleStatus::Stale => {
                Ok(Some(PlanStatus::Stale))
            }
            End::Reported(_) => Ok(Some(PlanStatus::Applied)),
            End::Failed(EngineError::Refused { .. } | EngineError::Stale { .. }) => {
                Ok(Some(PlanStatus::Stale))
            }
            End::Failed(error) => Err(error),
            End::Rehearsed | End::Stopped | End::Abandoned => Ok(None),
        }
    }

    /// Where rows wait for an approval and nobody has a plan to approve, one is kept.
    pub(super) async fn keep_for_review(
        &self,
        live: &Live,
        plan: &Plan,
        now: Timestamp,
        stop: &Stop,
    ) {
        let waits = plan.waiting.iter().any(|waiting| waiting.n_rows > 0);
        let needs_approval = live.config.approval == ApprovalMode::Required;
        let is_there = live
            .kept_for()
            .is_some_and(|(revision, until)| revision == plan.revision && now < until);
        if !waits || !needs_approval || is_there || stop.gently.is_cancelled() {
            return;
        }
        let kept = self.keep(live, plan.revision, now);
        match stop.unless_told(kept).await {
            Some(Ok(is_good_for)) => {
                *live.kept_for() = Some((plan.revision, now + is_good_for));
            }
            Some(Err(error)) => {
                tracing::warn!(error = error_chain(&error), "no plan is kept for review");
            }
            None => {}
        }
    }

    /// Keeps a plan unless there is one; returns how long nobody has to ask again.
    async fn keep(
        &self,
        live: &Live,
        revision: u64,
        now: Timestamp,
    ) -> Result<SignedDuration, EngineError> {
        if self.ledger.approved_revision().await? >= Some(revision) {
            // What waits is only armed, and needs nobody.
            return Ok(A_WHILE);
        }
        let plans = self.ledger.plans_before(None, N_PLANS).await?;
        let is_current =
            |plan: &&PlanRecord| plan.revision == revision && plan.status == PlanStatus::Pending;
        for record in plans.iter().filter(is_current) {
            if now.duration_since(record.created_at) <= MAX_AGE {
                return Ok(A_WHILE);
            }
            // Nobody can approve it any more.
            self.ledger.mark_plan(&record.id, PlanStatus::Stale).await?;
        }
        let request = PlanRequest {
            as_of: Some(self.now().await?),
            ..PlanRequest::proposed()
        };
        let plan = live.engine.plan(&request).await?;
        let unseen = live.engine.unseen(&plan);
        if !unseen.is_empty() {
            tracing::warn!(
                unseen = unseen.join("; "),
                "rows wait for an approval, and nobody could approve a plan of now; another one is \
                 made later"
            );
            return Ok(A_WHILE);
        }
        let body = serde_json::to_string(&plan).map_err(|error| LedgerError::Database {
            action: "keep a plan",
            source: error.into(),
        })?;
        if body.len() > LARGEST_PLAN {
            tracing::warn!(
                bytes = body.len(),
                "rows wait for an approval, and the plan is too large to be kept; review it with \
                 `ebbtide plan --out plan.json` and `ebbtide apply plan.json`"
            );
            return Ok(A_DAY);
        }
        let kept = NewPlan {
            id: self.clock.unique_id(),
            digest: plan.digest.clone(),
            revision: plan.revision,
            n_due: plan.tables.iter().map(|table| table.n_due).sum(),
            body,
            created_at: self.now().await?,
        };
        let id = self
            .ledger
            .keep_plan(&kept, self.instance.as_str().into())
            .await?;
        tracing::info!(
            plan = id,
            rows_due = kept.n_due,
            "rows wait for an approval; a plan is kept for review"
        );
        Ok(A_WHILE)
    }
}
