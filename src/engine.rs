//! The engine: the one file where the stages are chained.
//!
//! ```text
//! plan:  rulebook ─resolve─▶ policies ─┐
//!        each shard ─survey─▶ inventory ┴─decide─▶ Plan
//! apply: guards; each step: compile → pace → intent recorded → execute → verify → outcome recorded
//! ```
//!
//! Invariant: no statement is sent unless the lease is held, rules, holds and pauses of this very
//! moment allow all of it, its intent is in the ledger, and every guard that the planner kept holds
//! again.

mod aftermath;
mod apply;
mod backfill;
mod base;
mod census;
mod count;
mod damaged;
mod error;
mod event;
mod explained;
mod guards;
mod halve;
mod of_day;
mod preview;
mod probe;
mod promise;
mod quarantine;
mod reclaim;
mod renew;
mod report;
mod request;
mod review;
mod rounds;
mod rulebook;
mod settings;
mod spent;
mod split;
mod step;
mod survey;
mod tally;
mod tenure;
mod turn;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{ApprovalMode, Config, DirectoryConfig};
use crate::ledger::Ledger;
use crate::pace::Pacer;
use crate::plan::{
    Basis, Budget, Limits, Plan, ReclaimLimits, Snapshot, Step, Terms, Totals, Unprobed, decide,
};
use crate::resolve::resolve;
use crate::rule::{Periods, Retention};
use crate::target::{CheckedTarget, Target};
use crate::warehouse::{Shard, Warehouse};

use self::backfill::Books;
use self::census::Grain;
use self::count::KnownLooks;
use self::of_day::OfDay;
use self::settings::Settings;
use self::survey::SurveyedTable;
use self::whole::Seen;

pub use backfill::{Backfilled, Backfilling};
pub use base::BaseBook;
pub use error::EngineError;
pub use event::Event;
pub use preview::{Expired, Preview, PreviewTable, RuleChange};
pub use quarantine::Undone;
pub use reclaim::{ReclaimReport, Reclaimed, SeenRemains, UnseenTable};
pub use report::{CycleReport, CycleStatus, StepOutcomeKind, StepReport};
pub use request::{CycleKind, PlanRequest};
pub use rulebook::Rulebook;
pub use tenure::Tenure;

pub(crate) use explained::{Explained, Grounds, GuardRecords, Subject};
pub(crate) use promise::Promise;
pub(crate) use reclaim::read_note;
pub(crate) use review::MAX_AGE;
pub(crate) use rounds::Rounds;
pub(crate) use survey::error_chain;

/// How far back steps tell what deleting costs.
pub(crate) const COSTS_OF: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Who notes settings that a plan for review depends on.
const PLANNER: &str = "ebbtide";

/// Plans and applies cycles.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ebbtide::{Config, CycleKind, Engine, PlanRequest, SystemClock, Tenure, connect_ledger};
/// use std::sync::Arc;
/// use tokio_util::sync::CancellationToken;
///
/// let config = Config::load("config.yml".as_ref())?;
/// let ledger = connect_ledger(&config.ledger.url, config.ledger.password.clone()).await?;
/// let engine = Engine::new(&config, ledger.clone(), Arc::new(SystemClock))?;
/// let plan = engine.plan(&PlanRequest::default()).await?;
/// println!("{} steps", plan.steps.len());
/// let tenure = Tenure::begin(&ledger, "me", config.serve.lease).await?;
/// let never = CancellationToken::new();
/// let report = engine.apply(&plan, CycleKind::Run, &tenure, &never).await?;
/// println!("{:?}", report.status);
/// tenure.release().await?;
/// # Ok(()) }
/// ```
pub struct Engine {
    warehouse: Warehouse,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    observer: Box<dyn Fn(&Event<'_>) + Send + Sync>,
    directory: Option<DirectoryConfig>,
    default: Retention,
    periods: Periods,
    settings: Settings,
    approval: ApprovalMode,
    armed_for: Duration,
    max_clock_skew: Duration,
    limits: Limits,
    pacer: Pacer,
    reclaim: ReclaimLimits,
    targets: Vec<Target>,
    totals: OfDay<Option<Totals>>,
    /// What a census can tell apart: there may be too many parts, or partitions.
    grains: OfDay<Grain>,
    looks: KnownLooks,
    seen: OfDay<Seen>,
}

impl Engine {
    /// An engine for a configuration. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`EngineError::Warehouse`] for an address that no client can be made for.
    pub fn new(
        config: &Config,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        let shards = config
            .shards
            .iter()
            .cloned()
            .map(Shard::new)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            ledger,
            clock,
            observer: Box::new(|_| {}),
            directory: config.directory.clone(),
            default: config.default_retention.clone(),
            periods: config.periods.clone(),
            settings: Settings::new(config, shards.iter().map(Shard::name)),
            warehouse: Warehouse::new(shards),
            approval: config.approval,
            armed_for: config.armed_for,
            max_clock_skew: config.serve.max_clock_skew,
            limits: config.limits,
            pacer: Pacer::new(config.pace.clone()),
            reclaim: config.reclaim.limits,
            targets: config.targets.clone(),
            totals: OfDay::new(),
            grains: OfDay::new(),
            looks: KnownLooks::new(),
            seen: OfDay::new(),
        })
    }

    /// Calls `observer` for everything that happens, for progress and logs.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Reads rules, directory, holds and pauses, all of one revision.
    ///
    /// # Errors
    /// [`EngineError`] if the ledger cannot be read, or a rule in it makes no sense any more.
    pub async fn rulebook(&self) -> Result<Rulebook, EngineError> {
        let rules = rulebook::Source::Ledger(&self.periods);
        rulebook::read(&*self.ledger, self.directory.as_ref(), rules).await
    }

    /// Makes the plan of a cycle. Of ClickHouse it only reads. A plan for review depends on the
    /// settings of this configuration, and notes them in the ledger.
    ///
    /// # Errors
    /// [`EngineError`] where nothing can be planned at all. A shard that is down, or a table that
    /// cannot be probed, is listed in [`Plan::unprobed`] instead.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Plan, EngineError> {
        self.plan_within(self.limits.budget, request).await
    }

    /// The same within a budget.
    #[tracing::instrument(name = "plan", skip_all, fields(basis = request.basis.as_str()))]
    async fn plan_within(
        &self,
        budget: Budget,
        request: &PlanRequest,
    ) -> Result<Plan, EngineError> {
        if request.basis == Basis::Proposed {
            self.note_settings(PLANNER).await?;
        }
        let Books {
            rulebook,
            base,
            default,
        } = self.books(request.backfill.as_deref()).await?;
        let policies = resolve(&rulebook.rules, &rulebook.directory, &default);
        let of_base = base.policies(&rulebook);
        let made_at = self.clock.now();
        let terms = Terms {
            now: request.as_of.unwrap_or(made_at),
            made_at,
            policies: &policies,
            basis: request.basis,
            backfill: request.backfill.as_deref(),
            base: base.as_base(of_base.as_ref()),
            guards: &rulebook.guards,
            slot: request.slot,
            with_totals: request.with_totals,
        };
        let mut plan = self.plan_on(budget, &terms, rulebook.revision).await?;
        self.check_ledger_clock().await?;
        if !plan.waiting.is_empty() {
            plan.armed_at = self.armed_at(rulebook.revision).await?;
        }
        (self.observer)(&Event::Planned { plan: &plan });
        Ok(plan)
    }

    async fn plan_on(
        &self,
        budget: Budget,
        terms: &Terms<'_>,
        revision: u64,
    ) -> Result<Plan, EngineError> {
        let deleted = self.deleted_today().await?;
        let costs = self.ledger.step_costs(terms.made_at - COSTS_OF).await?;
        self.pacer.recall(&costs);
        let mut surveys: Vec<Vec<SurveyedTable>> = Vec::new();
        let mut unprobed = Vec::new();
        for shard in self.warehouse.shards() {
            let survey = self.survey(shard, terms, &deleted, &costs).await?;
            unprobed.extend(survey.unprobed);
            surveys.push(survey.tables);
        }
        let is_down = |found: &&Unprobed| found.table.is_none() && found.is_unreachable;
        if unprobed.iter().filter(is_down).count() == self.warehouse.shards().len() {
            let reasons = unprobed.into_iter().map(|found| found.reason).collect();
            return Err(EngineError::NoShard { reasons });
        }
        let (targets, inventories): (Vec<_>, Vec<_>) = surveys
            .into_iter()
            .flatten()
            .map(|table| (table.target, table.inventory))
            .unzip();
        let snapshot = Snapshot {
            terms,
            revision,
            tables: targets.iter().zip(inventories).collect(),
            unprobed,
        };
        let limits = Limits {
            budget,
            ..self.limits
        };
        Ok(decide(snapshot, &limits))
    }

    /// One full cycle: plan and apply, again from the plan where rules, holds or pauses change
    /// meanwhile. Returns the last plan and the reports of all that was applied.
    ///
    /// # Errors
    /// As [`Engine::plan`] and [`Engine::apply`]; [`EngineError::Stopped`] if it was told to stop
    /// before anything was applied.
    pub async fn run(
        &self,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<(Plan, CycleReport), EngineError> {
        self.check_window()?;
        let mut rounds = Rounds::new(self, PlanRequest::default(), CycleKind::Run, tenure);
        let last = rounds.go(stop).await?;
        let report = rounds.together(Some(&last)).unwrap_or(last);
        let plan = rounds.plan.ok_or(EngineError::Stopped)?;
        Ok((plan, report))
    }

    /// The steps of a plan with their checked targets, for showing statements.
    ///
    /// # Errors
    /// [`EngineError`] if a shard of the plan cannot be asked for its schema any more.
    pub async fn targets_of<'p>(
        &self,
        plan: &'p Plan,
    ) -> Result<Vec<(&'p Step, CheckedTarget)>, EngineError> {
        let mut found = Vec::new();
        for shard in self.warehouse.shards() {
            let mut steps = plan
                .steps
                .iter()
                .filter(|step| &*step.shard == shard.name())
                .peekable();
            if steps.peek().is_none() {
                continue;
            }
            let targets = self.checked_targets(shard, false).await?;
            for step in steps {
                let target = targets.iter().find(|target| *target.table == *step.table);
                found.extend(target.map(|target| (step, target.clone())));
            }
        }
        Ok(found)
    }

    /// The ledger, for whoever takes the lease.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The shards of the warehouse.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }
}
