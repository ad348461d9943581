//! What a rule would delete, before it is saved.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashSet, HashSetExt};
use jiff::Timestamp;
use serde::Serialize;

use super::survey::{error_chain, stays, too_many_rules};
use super::{Engine, EngineError, Rulebook};
use crate::compile;
use crate::plan::{Arm, CensusRow, Terms, Unprobed, candidates, candidates_of_project, pack};
use crate::resolve::resolve;
use crate::rule::{Retention, Rule, RuleSet, Scope};
use crate::target::{CheckedTarget, TableSchema};
use crate::warehouse::{Shard, WarehouseError};

/// A change of rules that nobody has saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// The scope whose rule would change.
    pub scope: Scope,
    /// The retention it would get, or nothing to look at deactivating its rule.
    pub retention: Option<Retention>,
    /// Whether rows from before now would follow it too.
    pub apply_to_past: bool,
}

/// What a change of rules would delete.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The instant that cutoffs are made from.
    pub as_of: Timestamp,
    /// Per shard and table, those that the change touches.
    pub tables: Vec<PreviewTable>,
    /// What could not be looked at.
    pub unprobed: Vec<Unprobed>,
}

/// One table under the rules of today, and under the change.
#[derive(Debug, Clone, Serialize)]
pub struct PreviewTable {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// What is expired under the rules as they are.
    pub before: Expired,
    /// What would be expired under the change.
    pub after: Expired,
    /// Expired rows that would stay because another table refers to them.
    pub n_kept: u64,
}

/// Expired rows of the scope in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Expired {
    /// Rows.
    pub n_rows: u64,
    /// Their size on disk: rows times the table's compressed bytes a row, an estimate.
    pub n_bytes: u64,
    /// Parts that hold some of them.
    pub n_parts: u64,
    /// The time of the oldest.
    pub oldest: Option<Timestamp>,
    /// The time of the newest.
    pub newest: Option<Timestamp>,
}

/// The number of a rule that nobody has saved.
const UNSAVED: u64 = 0;

impl Engine {
    /// What a change of rules would delete; read-only. Holds are respected. Pauses, and whether the
    /// change waits for an approval, are left aside: they only put it off.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn preview(&self, change: &RuleChange) -> Result<Preview, EngineError> {
        let rulebook = self.rulebook().await?;
        let now = self.clock.now();
        let changed = changed(&rulebook.rules, change, now)?;
        let view = View {
            change,
            rulebook: &rulebook,
            changed: &changed,
            now,
        };
        let mut preview = Preview {
            as_of: now,
            tables: Vec::new(),
            unprobed: Vec::new(),
        };
        for shard in self.warehouse.shards() {
            let unprobed = |table: Option<&str>, error: &WarehouseError| Unprobed {
                shard: shard.name().into(),
                table: table.map(Arc::from),
                workspace: None,
                reason: error_chain(error),
                is_unreachable: error.is_unreachable(),
                is_running: false,
            };
            let targets = match self.targets_and_schemas(shard, false).await {
                Ok(targets) => targets,
                Err(EngineError::Warehouse(error)) if !error.is_configuration() => {
                    preview.unprobed.push(unprobed(None, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let left_alone = |table: &str, workspace: Arc<str>, reason: String| Unprobed {
                shard: shard.name().into(),
                table: Some(table.into()),
                workspace: Some(workspace),
                reason,
                is_unreachable: false,
                is_running: false,
            };
            // Rows of such a workspace stay in the tables that follow too.
            let mut alone: HashSet<Arc<str>> = HashSet::new();
            for (target, schema) in targets {
                let unmatched = target.unmatched(changed.iter(), &rulebook.guards);
                for unmatched in unmatched
                    .into_iter()
                    .filter(|found| view.touches(&found.workspace))
                {
                    let workspace = Arc::clone(&unmatched.workspace);
                    let found = left_alone(&target.table, workspace, stays(&unmatched));
                    preview.unprobed.push(found);
                    alone.insert(unmatched.workspace);
                }
                match self
                    .preview_table(&view, shard, &target, &schema, &alone)
                    .await
                {
                    Ok((table, oversized)) => {
                        preview.tables.extend(table);
                        for arm in oversized {
                            let found = left_alone(
                                &target.table,
                                Arc::clone(&arm.workspace),
                                too_many_rules(&arm),
                            );
                            preview.unprobed.push(found);
                            alone.insert(arm.workspace);
                        }
                    }
                    Err(error) if !error.is_configuration() => {
                        preview.unprobed.push(unprobed(Some(&target.table), &error));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(preview)
    }

    async fn preview_table(
        &self,
        view: &View<'_>,
        shard: &Shard,
        target: &CheckedTarget,
        schema: &TableSchema,
        alone: &HashSet<Arc<str>>,
    ) -> Result<(Option<PreviewTable>, Vec<Arm>), WarehouseError> {
        let future_ms = view.now.as_millisecond();
        let mut census = shard
            .census(&compile::census(target, future_ms, None, None))
            .await?
            .rows;
        census.retain(|row| row.is_readable && view.touches(&row.workspace));
        census.retain(|row| !alone.contains(&row.workspace));
        if census.is_empty() {
            return Ok((None, Vec::new()));
        }
        let before = view.arms(target, &census, &view.rulebook.rules, &self.default);
        let after = view.arms(target, &census, view.changed, &self.default);
        let (before, _, _) = self.expired(shard, target, schema, before).await?;
        let (after, n_kept, oversized) = self.expired(shard, target, schema, after).await?;
        let table = PreviewTable {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            before,
            after,
            n_kept,
        };
        Ok((Some(table), oversized))
    }

    /// What a delete of some arms would take, how many rows are kept by references, and the arms
    /// that fit into no statement.
    async fn expired(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        schema: &TableSchema,
        arms: Vec<Arm>,
    ) -> Result<(Expired, u64, Vec<Arm>), WarehouseError> {
        let mut sum = Expired::default();
        let mut n_kept = 0;
        let mut parts: BTreeSet<String> = BTreeSet::new();
        let instant = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let packed = pack(arms, target, &self.limits);
        for statement in packed.statements {
            let row = shard.preview(&compile::preview(target, &statement)).await?;
            sum.n_rows += row.ebbtide_due;
            n_kept += row.ebbtide_kept;
            let oldest = instant(row.ebbtide_oldest_ms);
            sum.oldest = sum.oldest.into_iter().chain(oldest).min();
            sum.newest = sum.newest.max(instant(row.ebbtide_newest_ms));
            parts.extend(row.ebbtide_parts);
        }
        let n_bytes = u128::from(sum.n_rows) * u128::from(schema.bytes);
        let n_bytes = n_bytes / u128::from(schema.rows.max(1));
        sum.n_bytes = u64::try_from(n_bytes).unwrap_or(u64::MAX);
        sum.n_parts = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        Ok((sum, n_kept, packed.oversized))
    }
}

/// What a preview looks at.
struct View<'a> {
    change: &'a RuleChange,
    rulebook: &'a Rulebook,
    changed: &'a RuleSet,
    now: Timestamp,
}

impl View<'_> {
    /// Whether the scope has rows of a workspace.
    fn touches(&self, workspace: &str) -> bool {
        match &self.change.scope {
            Scope::Organization(name) => {
                self.rulebook.directory.organization_of(workspace) == Some(name)
            }
            Scope::Workspace(name)
            | Scope::Project {
                workspace: name, ..
            } => **name == *workspace,
        }
    }

    /// The arms of the scope under some rules.
    fn arms(
        &self,
        target: &CheckedTarget,
        census: &[CensusRow],
        rules: &RuleSet,
        default: &Retention,
    ) -> Vec<Arm> {
        let policies = resolve(rules, &self.rulebook.directory, default);
        // Pauses only put off: what is paused counts as due.
        let terms = Terms {
            guards: &self.rulebook.guards,
            ..Terms::new(&policies, self.now)
        };
        let mut found = match &self.change.scope {
            Scope::Project { project, .. } => {
                candidates_of_project(target, census, project, &terms)
            }
            Scope::Organization(_) | Scope::Workspace(_) => candidates(target, census, &terms),
        };
        found.due.append(&mut found.paused);
        found.due
    }
}

/// The rules with the change in them.
fn changed(rules: &RuleSet, change: &RuleChange, now: Timestamp) -> Result<RuleSet, EngineError> {
    let mut changed: Vec<Rule> = rules
        .iter()
        .filter(|rule| rule.scope != change.scope)
        .cloned()
        .collect();
    changed.extend(change.retention.clone().map(|retention| Rule {
        id: UNSAVED,
        scope: change.scope.clone(),
        retention,
        apply_to_past: change.apply_to_past,
        created_at: now,
    }));
    Ok(RuleSet::new(changed)?)
}
