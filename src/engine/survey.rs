//! Surveying a shard: schema, census, and the count of what is due.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use jiff::{SignedDuration, Timestamp};

use super::{Engine, EngineError, Event};
use crate::compile;
use crate::plan::{Arm, TableInventory, Totals, Unprobed, candidates, pack};
use crate::resolve::Policies;
use crate::target::{CheckedTarget, TableSchema, TargetProblem};
use crate::warehouse::{GrantNeed, MutationState, Privilege, Shard, WarehouseError};

/// Rows dated more than a day ahead count as future; less is clock skew.
const FUTURE_TOLERANCE_MS: i64 = 86_400_000;

/// How far this machine's clock may be ahead of the server's.
const MAX_CLOCK_LEAD: SignedDuration = SignedDuration::from_mins(10);

/// One shard, surveyed.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) tables: Vec<SurveyedTable>,
    pub(super) unprobed: Vec<Unprobed>,
}

pub(super) struct SurveyedTable {
    pub(super) target: CheckedTarget,
    pub(super) inventory: TableInventory,
}

/// One table, probed.
struct Probed {
    inventory: TableInventory,
    /// Arms that fit into no statement.
    oversized: Vec<Arm>,
    /// Deletes of ours that an earlier cycle sent and that still run.
    running: Vec<MutationState>,
}

impl Engine {
    /// Surveys a shard. One that is down, and tables that cannot be probed, are left out with the
    /// reason; a table whose children could not be probed is left out with them.
    pub(super) async fn survey(
        &self,
        shard: &Shard,
        policies: &Policies<'_>,
        now: Timestamp,
    ) -> Result<Survey, EngineError> {
        let name: Arc<str> = shard.name().into();
        let mut survey = Survey::default();
        let unprobed = |table: Option<&str>, error: &WarehouseError| Unprobed {
            shard: Arc::clone(&name),
            table: table.map(Arc::from),
            reason: error_chain(error),
            is_unreachable: error.is_unreachable(),
        };
        let targets = match self
            .checked_targets(shard, policies.rules().any_project().is_some())
            .await
        {
            Ok(targets) => {
                let misspelled = |target: &CheckedTarget| target.misspelled(policies.rules());
                let problems: Vec<_> = targets.iter().flat_map(misspelled).collect();
                if !problems.is_empty() {
                    return Err(EngineError::Targets { problems });
                }
                targets
            }
            Err(EngineError::Warehouse(error)) if !error.is_configuration() => {
                survey.unprobed.push(unprobed(None, &error));
                return Ok(survey);
            }
            Err(error) => return Err(error),
        };
        let of = targets.len();
        let left_alone = |table: &str, reason: String| Unprobed {
            shard: Arc::clone(&name),
            table: Some(table.into()),
            reason,
            is_unreachable: false,
        };
        let mut is_blocked = false;
        // Workspaces that fit into no statement: their parents stay with them.
        let mut oversized: HashSet<Arc<str>> = HashSet::new();
        for (index, target) in targets.into_iter().enumerate() {
            let table = target.table.clone();
            if is_blocked {
                let reason = "a table listed before it could not be probed; children go first";
                survey.unprobed.push(left_alone(&table, reason.into()));
                continue;
            }
            (self.observer)(&Event::Probing {
                shard: &name,
                table: &table,
                number: index + 1,
                of,
            });
            match self.probe(shard, &target, policies, now, &oversized).await {
                Ok(probed) => {
                    if !probed.running.is_empty() {
                        survey
                            .unprobed
                            .push(left_alone(&table, still_running(&probed.running)));
                    }
                    for arm in probed.oversized {
                        let reason = format!(
                            "workspace {:?} has {} project rules, too many for one statement; its \
                             rows stay, here and in the tables after it",
                            arm.workspace,
                            arm.exceptions().len()
                        );
                        survey.unprobed.push(left_alone(&table, reason));
                        oversized.insert(arm.workspace);
                    }
                    survey.tables.push(SurveyedTable {
                        target,
                        inventory: probed.inventory,
                    });
                }
                Err(error) if !error.is_configuration() => {
                    is_blocked = true;
                    survey.unprobed.push(unprobed(Some(&table), &error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(survey)
    }

    /// Checks the server, the grants, and every target against the shard's schema.
    pub(super) async fn checked_targets(
        &self,
        shard: &Shard,
        needs_project: bool,
    ) -> Result<Vec<CheckedTarget>, EngineError> {
        let schemas = self.schemas(shard).await?;
        check_targets(&self.targets, &schemas, needs_project)
    }

    /// The schemas of all targets on a shard, checked; for showing them.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn check_shard(
        &self,
        shard: &Shard,
        needs_project: bool,
    ) -> Result<Vec<(String, TableSchema)>, EngineError> {
        let schemas = self.schemas(shard).await?;
        let targets = check_targets(&self.targets, &schemas, needs_project)?;
        let find = |table: &str| schemas.iter().find(|schema| schema.name == table).cloned();
        Ok(targets
            .into_iter()
            .filter_map(|target| find(&target.table).map(|schema| (target.table, schema)))
            .collect())
    }

    /// Checks server and grants, and reads the schemas of all tables that the targets name.
    async fn schemas(&self, shard: &Shard) -> Result<Vec<TableSchema>, EngineError> {
        let server = shard.check_server().await?;
        self.check_clock(shard, server.now)?;
        let keep_tables = || self.targets.iter().flat_map(|target| &target.keep);
        let mut tables: Vec<&str> = self
            .targets
            .iter()
            .map(|target| target.table.as_str())
            .collect();
        tables.extend(keep_tables().map(|keep| keep.in_table.as_str()));
        tables.sort_unstable();
        tables.dedup();
        let select = tables.iter().map(|table| (Privilege::Select, *table));
        let delete = self
            .targets
            .iter()
            .map(|target| (Privilege::AlterDelete, &*target.table));
        let needs: Vec<GrantNeed<'_>> = select
            .chain(delete)
            .map(|(privilege, table)| GrantNeed { privilege, table })
            .collect();
        shard.check_grants(&needs).await?;
        Ok(shard.schemas(&tables).await?)
    }

    /// A clock that is far ahead would make young rows old. One that is behind only keeps more.
    fn check_clock(&self, shard: &Shard, server_now: Timestamp) -> Result<(), EngineError> {
        let ahead = self.clock.now().duration_since(server_now);
        if self.clock.is_live() && ahead > MAX_CLOCK_LEAD {
            return Err(EngineError::Clock {
                shard: shard.name().to_owned(),
                ahead_s: ahead.as_secs(),
            });
        }
        Ok(())
    }

    async fn probe(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        policies: &Policies<'_>,
        now: Timestamp,
        left_out: &HashSet<Arc<str>>,
    ) -> Result<Probed, WarehouseError> {
        let running = shard.unfinished_mutations(&target.table).await?;
        let future_ms = now.as_millisecond().saturating_add(FUTURE_TOLERANCE_MS);
        let census = shard.census(&compile::census(target, future_ms)).await?;
        let mut arms = candidates(target, &census, policies, now);
        arms.retain(|arm| !left_out.contains(&arm.workspace));
        let packed = pack(arms, target, &self.limits);
        let mut arms = Vec::new();
        for mut statement in packed.statements {
            self.count(shard, target, &mut statement).await?;
            arms.append(&mut statement);
        }
        let inventory = TableInventory {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            totals: Totals::of(&census),
            arms,
        };
        Ok(Probed {
            inventory,
            oversized: packed.oversized,
            running,
        })
    }

    /// Counts what is due for arms of one statement, and fills the counts in. Returns the rows due.
    pub(super) async fn count(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
    ) -> Result<u64, WarehouseError> {
        for arm in arms.iter_mut() {
            (arm.n_due, arm.n_kept) = (0, 0);
        }
        let mut total = 0;
        for probe in compile::probe(target, arms) {
            let none: Arc<str> = "".into();
            let mut index: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
            for (at, arm) in arms.iter().enumerate() {
                if arm.project().is_some() == probe.by_project {
                    let project = arm.project().unwrap_or(&none);
                    index.insert((Arc::clone(&arm.workspace), Arc::clone(project)), at);
                }
            }
            for row in shard.count_due(&probe.sql).await? {
                let at = index.get(&(row.workspace.as_str().into(), row.project.as_str().into()));
                // A group that nobody asked for would mean that the predicate is wrong.
                let Some(arm) = at.and_then(|at| arms.get_mut(*at)) else {
                    return Err(shard.unexpected_group(&row.workspace));
                };
                arm.n_due += row.n_due;
                arm.n_kept += row.n_kept;
                total += row.n_due;
            }
        }
        Ok(total)
    }
}

/// Checks all targets against the schemas of a shard; every problem at once.
pub(super) fn check_targets(
    targets: &[crate::target::Target],
    schemas: &[TableSchema],
    needs_project: bool,
) -> Result<Vec<CheckedTarget>, EngineError> {
    let find = |table: &str| schemas.iter().find(|schema| schema.name == table);
    let mut checked = Vec::new();
    let mut problems: Vec<TargetProblem> = Vec::new();
    for target in targets {
        match target.check(find(&target.table), find, needs_project) {
            Ok(target) => checked.push(target),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(checked)
    } else {
        Err(EngineError::Targets { problems })
    }
}

/// What is said of deletes that an earlier cycle sent and that still run.
pub(super) fn still_running(mutations: &[MutationState]) -> String {
    let ids: Vec<&str> = mutations
        .iter()
        .map(|mutation| mutation.id.as_str())
        .collect();
    let ids = ids.join(", ");
    format!(
        "an earlier delete is still running ({ids}), under the rules of its time; wait for it, or \
         end it with KILL MUTATION if those rules no longer hold"
    )
}

/// An error and its causes on one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Wrappers that show their source would say everything twice.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}
