//! The engine: the one file where the stages are chained.
//!
//! ```text
//! plan:  rulebook ─resolve─▶ policies ─┐
//!        each shard ─survey─▶ inventory ┴─decide─▶ Plan
//! apply: each step: guards → compile → pace → intent recorded → execute → verify → outcome recorded
//! ```
//!
//! Invariant: no statement is sent unless the rules are those of the plan, its intent is in the
//! ledger, and every guard that the planner kept holds again.

mod apply;
mod error;
mod preview;
mod report;
mod rulebook;
mod survey;
mod tenure;

use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::config::{Config, DirectoryConfig};
use crate::ledger::{CycleStart, Ledger};
use crate::pace::Pacer;
use crate::plan::{Limits, Plan, Snapshot, Step, Unprobed, decide};
use crate::resolve::resolve;
use crate::rule::{Periods, Retention};
use crate::target::{CheckedTarget, Target};
use crate::warehouse::{Shard, Warehouse};

use self::survey::SurveyedTable;

pub use error::EngineError;
pub use preview::{Expired, Preview, PreviewTable, RuleChange};
pub use report::{CycleReport, CycleStatus, Event, StepOutcomeKind, StepReport};
pub use rulebook::Rulebook;
pub use tenure::Tenure;

/// How often a cycle plans again because rules changed while it ran.
const MAX_REPLANS: u32 = 3;

/// Plans and applies cycles.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ebbtide::{Config, Engine, SystemClock, connect_ledger};
/// use std::sync::Arc;
///
/// let config = Config::load("config.yml".as_ref())?;
/// let ledger = connect_ledger(&config.ledger.url, config.ledger.password.clone()).await?;
/// let engine = Engine::new(&config, ledger, Arc::new(SystemClock))?;
/// let plan = engine.plan(None).await?;
/// println!("{} steps", plan.steps.len());
/// let report = engine.apply(&plan).await?;
/// println!("{:?}", report.status);
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
    limits: Limits,
    pacer: Pacer,
    targets: Vec<Target>,
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
        let quota = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            warehouse: Warehouse::new(shards),
            ledger,
            clock,
            observer: Box::new(|_| {}),
            directory: config.directory.clone(),
            default: config.default_retention.clone(),
            periods: config.periods.clone(),
            limits: config.limits,
            pacer: Pacer::new(
                quota(config.statements_per_minute),
                quota(config.rows_per_second),
            ),
            targets: config.targets.clone(),
        })
    }

    /// Calls `observer` for everything that happens, for progress and logs.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Reads rules and directory, both of one revision.
    ///
    /// # Errors
    /// [`EngineError`] if the ledger cannot be read, or a rule in it makes no sense any more.
    pub async fn rulebook(&self) -> Result<Rulebook, EngineError> {
        rulebook::read(&*self.ledger, self.directory.as_ref(), &self.periods).await
    }

    /// Makes the plan of a cycle; read-only. `as_of` stands for now if it is given.
    ///
    /// # Errors
    /// [`EngineError`] where nothing can be planned at all. A shard that is down, or a table that
    /// cannot be probed, is listed in [`Plan::unprobed`] instead.
    pub async fn plan(&self, as_of: Option<Timestamp>) -> Result<Plan, EngineError> {
        let rulebook = self.rulebook().await?;
        self.plan_from(&rulebook, as_of.unwrap_or_else(|| self.clock.now()))
            .await
    }

    async fn plan_from(&self, rulebook: &Rulebook, now: Timestamp) -> Result<Plan, EngineError> {
        let policies = resolve(&rulebook.rules, &rulebook.directory, &self.default);
        let mut surveys: Vec<Vec<SurveyedTable>> = Vec::new();
        let mut unprobed = Vec::new();
        for shard in self.warehouse.shards() {
            let survey = self.survey(shard, &policies, now).await?;
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
            as_of: now,
            policies: &policies,
            revision: rulebook.revision,
            tables: targets.iter().zip(inventories).collect(),
            unprobed,
        };
        Ok(decide(snapshot, &self.limits))
    }

    /// Executes exactly this plan, step by step, and records it.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if a guard forbids it, other errors if the ledger or the whole
    /// warehouse fails. What goes wrong with a step is an outcome in the report.
    pub async fn apply(&self, plan: &Plan) -> Result<CycleReport, EngineError> {
        self.check_guards(plan)?;
        let cycle = self.clock.unique_id();
        let start = CycleStart {
            id: cycle.clone(),
            started_at: self.clock.now(),
            as_of: plan.as_of,
            rules_digest: plan.rules_digest.clone(),
            revision: plan.revision,
            kind: "run".into(),
            plan_digest: String::new(),
            slot: None,
            holder: String::new(),
            lease_token: 0,
        };
        self.ledger.begin_cycle(&start).await?;
        let applied = self.apply_steps(plan, &cycle).await;
        let status = applied
            .as_ref()
            .map_or(CycleStatus::Failed, |report| report.status);
        let ended = self
            .ledger
            .end_cycle(&cycle, status.as_str(), self.clock.now())
            .await;
        let report = applied?;
        ended?;
        Ok(report)
    }

    /// One full cycle: plan and apply, again from the plan where rules change meanwhile. Returns
    /// the last plan and the reports of all that was applied.
    ///
    /// # Errors
    /// As [`Engine::plan`] and [`Engine::apply`].
    pub async fn run(&self) -> Result<(Plan, CycleReport), EngineError> {
        let mut plan = self.plan(None).await?;
        let mut report = self.apply(&plan).await?;
        for _ in 0..MAX_REPLANS {
            if report.status != CycleStatus::Stale {
                break;
            }
            (self.observer)(&Event::Replanning);
            plan = self.plan(None).await?;
            report = report.followed_by(self.apply(&plan).await?);
        }
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

    /// The shards of the warehouse.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }
}
