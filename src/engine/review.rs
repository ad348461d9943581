//! Plans that somebody reviewed: whether the world still is that of the plan, and applying it.

use foldhash::{HashMap, HashMapExt};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::rulebook;
use super::survey::error_chain;
use super::{CycleKind, CycleReport, Engine, EngineError, Tenure};
use crate::config::ApprovalMode;
use crate::cutoff::utc_day;
use crate::ledger::{Approval, NewApproval, NewRule, RuleRecord};
use crate::plan::{Basis, Plan, PlannedTarget, directory_digest};
use crate::rule::RuleId;

/// How old a plan may be when it is approved: every day more is expired than it shows.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So many changes of one kind are named.
const MOST_NAMED: usize = 10;

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
        if !changes.is_empty() {
            return Err(EngineError::Stale { changes });
        }
        // What is refused anyway is not approved either: nobody saw what its rules delete.
        self.check_shares_and_times(plan).await
    }

    /// What nobody can have seen in this plan, although its approval would be one of all rules.
    fn unseen(&self, plan: &Plan) -> Vec<String> {
        let mut unseen = Vec::new();
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
    /// [`EngineError::Stale`] if the world changed since it was made; else as [`Engine::apply`].
    pub async fn apply_reviewed(
        &self,
        plan: &Plan,
        by: &str,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<CycleReport, EngineError> {
        // Or else it would be approved, and not applied.
        self.check_window()?;
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
        self.apply(plan, CycleKind::Apply, tenure, stop).await
    }

    async fn changes_of_the_ledger(&self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let mut changes = Vec::new();
        let noted = self.ledger.settings_at(plan.revision).await?;
        if noted.as_deref() != Some(&self.settings.text()) {
            changes.push(
                "retention.default or retention.periods are not those that the plan was made with"
                    .to_owned(),
            );
        }
        let revision = self.ledger.revision().await?;
        if revision == plan.revision {
            return Ok(changes);
        }
        changes.extend(self.changes_of_rules(plan.revision).await?);
        changes.extend(self.changes_of_guards(plan).await?);
        if changes.is_empty() {
            // Also where something changed and changed back: an approval is of one revision.
            changes.push(format!(
                "the ledger moved on from revision {} to {revision}: the directory, the settings, \
                 or something that was taken back",
                plan.revision
            ));
        }
        Ok(changes)
    }

    /// Whether workspaces that it deletes from belong to other organizations now, by the operator's
    /// own directory. That of the ledger has a revision.
    pub(super) async fn changes_of_directory(
        &self,
        plan: &Plan,
    ) -> Result<Option<String>, EngineError> {
        if self.directory.is_none() || plan.steps.is_empty() {
            return Ok(None);
        }
        let none = std::iter::empty();
        let directory =
            rulebook::read_own_or_other(&*self.ledger, self.directory.as_ref(), none).await?;
        let digest = directory_digest(&plan.steps, |name| directory.organization_of(name));
        Ok((digest != plan.directory_digest).then(|| {
            "the directory: workspaces that it deletes from belong to other organizations now"
                .to_owned()
        }))
    }

    async fn changes_of_rules(&self, revision: u64) -> Result<Vec<String>, EngineError> {
        let mut before: HashMap<RuleId, NewRule> = HashMap::new();
        let mut remember = |record: RuleRecord| {
            before.insert(record.id, record.rule);
        };
        self.ledger.each_rule_at(revision, &mut remember).await?;
        let mut created = Vec::new();
        let mut compare = |record: RuleRecord| {
            if before.remove(&record.id).is_none() {
                created.push((record.id, record.rule));
            }
        };
        self.ledger.each_rule(false, &mut compare).await?;
        let mut ended: Vec<(RuleId, NewRule)> = before.into_iter().collect();
        ended.sort_unstable_by_key(|(id, _)| *id);
        let line = |what: &str| {
            let what = what.to_owned();
            move |(id, rule): (RuleId, NewRule)| {
                format!("rule {id} for {} ({}) {what}", rule.scope, rule.retention)
            }
        };
        let mut changes = named(created.into_iter().map(line("is new")), "new rules");
        changes.extend(named(
            ended.into_iter().map(line("is not active any more")),
            "rules that ended",
        ));
        Ok(changes)
    }

    async fn changes_of_guards(&self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let holds = self.ledger.holds(false).await?;
        let placed = holds
            .iter()
            .filter(|hold| !plan.active_holds.contains(&hold.id))
            .map(|hold| format!("hold {} on {} was placed", hold.id, hold.hold.scope));
        let released = plan
            .active_holds
            .iter()
            .filter(|id| holds.iter().all(|hold| hold.id != **id))
            .map(|id| format!("hold {id} was released"));
        let mut changes = named(placed, "new holds");
        changes.extend(named(released, "holds that were released"));
        let records = self.ledger.pauses(false).await?;
        let active = records.iter().map(|record| &record.pause.scope);
        changes.extend(
            active
                .clone()
                .filter(|scope| !plan.pauses.contains(scope))
                .map(|scope| format!("{scope} was paused")),
        );
        changes.extend(
            plan.pauses
                .iter()
                .filter(|scope| active.clone().all(|other| other != *scope))
                .map(|scope| format!("{scope} was resumed")),
        );
        Ok(changes)
    }

    /// Tables that are not as they were checked for the plan. Only those that it deletes from
    /// matter.
    async fn changes_of_targets(&self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let mut changes = Vec::new();
        for step in &plan.steps {
            let is_known = |shard: &&crate::warehouse::Shard| shard.name() == &*step.shard;
            if !self.warehouse.shards().iter().any(|shard| is_known(&shard)) {
                let change = format!("shard {} is not in the configuration any more", step.shard);
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        for shard in self.warehouse.shards() {
            let of_step = |planned: &&PlannedTarget| {
                let (name, table) = (&planned.shard, &*planned.target.table);
                let mut steps = plan.steps.iter();
                **name == *shard.name()
                    && steps.any(|step| step.shard == *name && *step.table == *table)
            };
            let planned: Vec<&PlannedTarget> = plan.targets.iter().filter(of_step).collect();
            if planned.is_empty() {
                continue;
            }
            let targets = match self.checked_targets(shard, false).await {
                Ok(targets) => targets,
                Err(error @ EngineError::Targets { .. }) => {
                    changes.push(format!("on {}: {}", shard.name(), error_chain(&error)));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for PlannedTarget { target: before, .. } in planned {
                let table = &before.table;
                let place = format!("table {table} on {}", shard.name());
                match targets.iter().find(|target| target.table == *table) {
                    None => changes.push(format!("{place} is no target any more")),
                    Some(now) if now != before => changes.push(format!(
                        "{place} is another target than it was: {}",
                        differences(before, now).join(", ")
                    )),
                    Some(_) => {}
                }
            }
        }
        Ok(changes)
    }
}

/// The first of some changes, and how many more there are.
fn named(lines: impl Iterator<Item = String>, what: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let n_more = lines.len().saturating_sub(MOST_NAMED);
    lines.truncate(MOST_NAMED);
    if n_more > 0 {
        lines.push(format!("and {n_more} more {what}"));
    }
    lines
}

/// Which parts of a target differ.
fn differences(
    before: &crate::target::CheckedTarget,
    now: &crate::target::CheckedTarget,
) -> Vec<&'static str> {
    [
        ("its database", before.database != now.database),
        ("the workspace column", before.workspace != now.workspace),
        ("the project column", before.project != now.project),
        ("the age column", before.age != now.age),
        ("what is kept", before.keep != now.keep),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}
