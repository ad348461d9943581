//! What changed since a plan was made, in words: rules, settings, holds, pauses, directory, tables.

use foldhash::{HashMap, HashMapExt};

use crate::engine::rulebook;
use crate::engine::settings::Settings;
use crate::engine::survey::error_chain;
use crate::engine::{Engine, EngineError};
use crate::ledger::{NewRule, RuleRecord};
use crate::plan::{Plan, PlannedTarget, directory_digest};
use crate::rule::RuleId;
use crate::target::CheckedTarget;
use crate::warehouse::Shard;

/// So many changes of one kind are named.
const MOST_NAMED: usize = 10;

impl Engine {
    /// The settings that the plan was made with.
    pub(super) async fn noted(&self, plan: &Plan) -> Result<Option<Settings>, EngineError> {
        let noted = self.ledger.settings_at(plan.revision).await?;
        Ok(noted.as_deref().and_then(Settings::parse))
    }

    pub(super) async fn changes_of_the_ledger(
        &self,
        plan: &Plan,
    ) -> Result<Vec<String>, EngineError> {
        let mut changes = Vec::new();
        let noted = self.noted(plan).await?;
        let means_the_same = |noted: &Settings| noted.means_the_same(&self.settings);
        if !noted.as_ref().is_some_and(means_the_same) {
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
    pub(in crate::engine) async fn changes_of_directory(
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
    pub(super) async fn changes_of_targets(&self, plan: &Plan) -> Result<Vec<String>, EngineError> {
        let mut changes = Vec::new();
        for step in &plan.steps {
            let is_known = |shard: &&Shard| shard.name() == &*step.shard;
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
pub(super) fn named(lines: impl Iterator<Item = String>, what: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let n_more = lines.len().saturating_sub(MOST_NAMED);
    lines.truncate(MOST_NAMED);
    if n_more > 0 {
        lines.push(format!("and {n_more} more {what}"));
    }
    lines
}

/// Which parts of a target differ.
fn differences(before: &CheckedTarget, now: &CheckedTarget) -> Vec<&'static str> {
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
