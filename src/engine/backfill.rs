//! Backfills: what a person asks for, planned and applied like everything else, cycle after cycle.
//!
//! Invariant: a backfill looks at no rule, neither when it is planned nor when it goes on after the
//! ledger moved on; holds, pauses, the directory and every other guard are those of the moment.

use tokio_util::sync::CancellationToken;

use super::rulebook::{self, Source};
use super::{
    BaseBook, CycleKind, CycleReport, CycleStatus, Engine, EngineError, PlanRequest, Rounds,
    Rulebook, Tenure,
};
use crate::plan::{Backfill, Plan, Refusal, Step};
use crate::resolve::Directory;
use crate::rule::{Retention, Scope};

/// What a plan is made from: rules and guards, what must agree with them, and what holds elsewhere.
pub(super) struct Books {
    pub(super) rulebook: Rulebook,
    pub(super) base: BaseBook,
    pub(super) default: Retention,
}

impl Engine {
    /// An engine for these targets alone; all of them if none is named. What is noted of the
    /// configuration in the ledger stays as it is.
    ///
    /// # Errors
    /// The name that is no target.
    pub fn only(mut self, tables: &[String]) -> Result<Self, String> {
        let is_target = |table: &&String| self.targets.iter().any(|target| target.table == **table);
        if let Some(unknown) = tables.iter().find(|table| !is_target(table)) {
            return Err(unknown.clone());
        }
        self.targets
            .retain(|target| tables.is_empty() || tables.contains(&target.table));
        Ok(self)
    }

    /// Plans and applies what somebody asks for until nothing of it is due, or a cycle takes nothing
    /// any more. Returns the last plan and the reports of all that was applied. Told to stop, it
    /// ends after the statement that runs; asked again, it goes on, since it plans anew.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn backfill(
        &self,
        request: &PlanRequest,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<(Plan, CycleReport), EngineError> {
        self.check_window()?;
        let mut before: Option<CycleReport> = None;
        loop {
            let mut rounds = Rounds::new(self, request.clone(), CycleKind::Backfill, tenure);
            let last = rounds.go(stop).await?;
            let cycle = rounds.together(Some(&last)).unwrap_or(last);
            let plan = rounds.plan.ok_or(EngineError::Stopped)?;
            let (status, n_deleted) = (cycle.status, cycle.n_deleted());
            let mut report = with(before.take(), cycle);
            let is_over = [CycleStatus::Stopped, CycleStatus::LeaseLost].contains(&status);
            if is_over || n_deleted == 0 {
                return Ok((plan, report));
            }
            // A cycle may end before everything went; whoever took something tries again.
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                next = self.plan(request) => Some(next?),
            };
            match next {
                None => report.status = CycleStatus::Stopped,
                Some(next) if next.steps.is_empty() => {
                    if next.unprobed.is_empty() {
                        report.status = CycleStatus::Done;
                    }
                    return Ok((next, report));
                }
                Some(_) => {
                    before = Some(report);
                    continue;
                }
            }
            return Ok((plan, report));
        }
    }

    /// Reads what a plan is made from, all of one revision.
    pub(super) async fn books(&self, backfill: Option<&Backfill>) -> Result<Books, EngineError> {
        let Some(backfill) = backfill else {
            let rulebook = self.rulebook().await?;
            return Ok(Books {
                base: self.base(&rulebook).await?,
                rulebook,
                default: self.default.clone(),
            });
        };
        let floor = self.periods.floor();
        if backfill.older_than < floor {
            let older_than = backfill.older_than;
            return Err(EngineError::Refused {
                refusals: vec![Refusal::TooYoung { older_than, floor }],
            });
        }
        let rules = backfill.rules(self.clock.now())?;
        let directory = self.directory.as_ref();
        Ok(Books {
            rulebook: rulebook::read(&*self.ledger, directory, Source::Given(&rules)).await?,
            base: BaseBook::NotNeeded,
            default: Retention::Unlimited,
        })
    }

    /// Steps of a backfill that it was not asked for.
    pub(super) async fn not_asked(&self, plan: &Plan) -> Result<Vec<Refusal>, EngineError> {
        let Some(backfill) = &plan.backfill else {
            return Ok(Vec::new());
        };
        let directory = match &backfill.scope {
            Scope::Organization(_) => {
                let scopes = std::iter::once(&backfill.scope);
                rulebook::read_own_or_other(&*self.ledger, self.directory.as_ref(), scopes).await?
            }
            Scope::Workspace(_) | Scope::Project { .. } => Directory::default(),
        };
        let is_asked = |step: &&Step| {
            backfill.covers(step, plan.as_of, |workspace| {
                directory.organization_of(workspace)
            })
        };
        let others = plan.steps.iter().filter(|step| !is_asked(step));
        let refusal = |step: &Step| Refusal::NotAsked {
            step: step.number,
            table: step.table.clone(),
        };
        Ok(others.map(refusal).collect())
    }
}

/// What all cycles did; how it ended is how the last one did.
fn with(before: Option<CycleReport>, cycle: CycleReport) -> CycleReport {
    let mut steps = before.map_or_else(Vec::new, |before| before.steps);
    steps.extend(cycle.steps);
    CycleReport { steps, ..cycle }
}
