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

/// A backfill under way. Between two cycles nobody needs to hold the lease.
pub struct Backfilling<'e> {
    engine: &'e Engine,
    request: &'e PlanRequest,
    /// The last plan, and the reports of all that was applied.
    done: Option<(Plan, CycleReport)>,
    why: Option<EngineError>,
}

/// What a backfill did.
#[derive(Debug)]
pub struct Backfilled {
    /// The last plan.
    pub plan: Plan,
    /// All cycles together.
    pub report: CycleReport,
    /// What ended it before its time, after some cycle.
    pub why: Option<EngineError>,
}

impl Backfilling<'_> {
    /// Plans and applies one more cycle; whether another one has to follow, since something is still
    /// due and this one took something. Told to stop, it ends after the statement that runs; asked
    /// again, it goes on, since it plans anew.
    ///
    /// # Errors
    /// As [`Engine::run`], in the first cycle. What goes wrong in later ones ends it with what was done.
    pub async fn cycle(
        &mut self,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        match self.try_cycle(tenure, stop).await {
            Ok(goes_on) => Ok(goes_on),
            Err(error) => self.fail(error).map(|()| false),
        }
    }

    /// Ends it before its time: what was done stays on the report.
    ///
    /// # Errors
    /// The same error where nothing was done yet.
    pub fn fail(&mut self, error: EngineError) -> Result<(), EngineError> {
        let Some((_, report)) = &mut self.done else {
            return Err(error);
        };
        report.status = match error {
            EngineError::Stopped => CycleStatus::Stopped,
            _ => CycleStatus::Failed,
        };
        self.why = Some(error);
        Ok(())
    }

    /// What it did; nothing before its first cycle.
    pub fn end(self) -> Option<Backfilled> {
        let why = self.why;
        self.done
            .map(|(plan, report)| Backfilled { plan, report, why })
    }

    async fn try_cycle(
        &mut self,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let engine = self.engine;
        engine.check_window()?;
        let mut rounds = Rounds::new(engine, self.request.clone(), CycleKind::Backfill, tenure);
        let last = match rounds.go(stop).await {
            Ok(last) => last,
            Err(error) => {
                // Rounds before the one that failed may have sent something.
                if let (Some(plan), Some(cycle)) = (rounds.plan.take(), rounds.together(None)) {
                    self.add(plan, cycle);
                }
                return Err(error);
            }
        };
        let cycle = rounds.together(Some(&last)).unwrap_or(last);
        let plan = rounds.plan.ok_or(EngineError::Stopped)?;
        let (status, n_deleted) = (cycle.status, cycle.n_deleted());
        self.add(plan, cycle);
        let is_over = [CycleStatus::Stopped, CycleStatus::LeaseLost].contains(&status);
        if is_over || n_deleted == 0 {
            return Ok(false);
        }
        // A cycle may end before everything went; whoever took something tries again.
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(EngineError::Stopped),
            next = engine.plan(self.request) => next?,
        };
        if !next.steps.is_empty() {
            return Ok(true);
        }
        if let Some((plan, report)) = &mut self.done {
            if next.unprobed.is_empty() {
                report.status = CycleStatus::Done;
            }
            *plan = next;
        }
        Ok(false)
    }

    /// What all cycles did; how it ended is how the last one did.
    fn add(&mut self, plan: Plan, cycle: CycleReport) {
        let mut steps = self
            .done
            .take()
            .map_or_else(Vec::new, |(_, before)| before.steps);
        steps.extend(cycle.steps);
        self.done = Some((plan, CycleReport { steps, ..cycle }));
    }
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

    /// What somebody asks for, to be done cycle after cycle.
    pub fn backfill<'e>(&'e self, request: &'e PlanRequest) -> Backfilling<'e> {
        Backfilling {
            engine: self,
            request,
            done: None,
            why: None,
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
