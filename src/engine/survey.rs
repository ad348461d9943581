//! Surveying a shard: its targets, and every table in order.

mod targets;

use std::sync::Arc;

use super::probe::LeftOut;
use super::{Engine, EngineError, Event};
use crate::ledger::DeletedRows;
use crate::plan::{Arm, StepCost, TableInventory, Terms, Unprobed};
use crate::target::{CheckedTarget, Unmatched};
use crate::warehouse::{MutationState, Shard, WarehouseError};

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

impl Engine {
    /// Surveys a shard. One that is down, and tables that cannot be probed, are left out with the
    /// reason; a table whose children could not be probed is left out with them.
    pub(super) async fn survey(
        &self,
        shard: &Shard,
        terms: &Terms<'_>,
        deleted: &[DeletedRows],
        costs: &[StepCost],
    ) -> Result<Survey, EngineError> {
        let name: Arc<str> = shard.name().into();
        let mut survey = Survey::default();
        let unprobed = |table: Option<&str>, error: &WarehouseError| Unprobed {
            shard: Arc::clone(&name),
            table: table.map(Arc::from),
            workspace: None,
            reason: error_chain(error),
            is_unreachable: error.is_unreachable(),
            is_running: false,
        };
        let targets = match self.checked_targets(shard, false).await {
            Ok(targets) => targets,
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
            workspace: None,
            reason,
            is_unreachable: false,
            is_running: false,
        };
        let mut is_blocked = false;
        let mut left_out = LeftOut::default();
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
            // Partitions that go as a whole hold rows of workspaces of all slots.
            let of_all = Terms {
                slot: None,
                ..*terms
            };
            left_out.anybody |= !of_all.unmatched(&target).is_empty();
            for unmatched in terms.unmatched(&target) {
                survey.unprobed.push(Unprobed {
                    workspace: Some(Arc::clone(&unmatched.workspace)),
                    ..left_alone(&table, stays(&unmatched))
                });
                left_out.alone.insert(unmatched.workspace);
            }
            let probed = Box::pin(self.probe(shard, &target, terms, &mut left_out, costs));
            match probed.await {
                Ok(mut probed) => {
                    if !probed.running.is_empty() {
                        survey.unprobed.push(Unprobed {
                            is_running: true,
                            ..left_alone(&table, still_running(&probed.running))
                        });
                    }
                    for arm in probed.oversized {
                        let reason = too_many_rules(&arm);
                        survey.unprobed.push(Unprobed {
                            workspace: Some(arm.workspace),
                            ..left_alone(&table, reason)
                        });
                    }
                    for (arm, reason) in probed.unknown {
                        let reason = uncountable(&arm, &reason);
                        survey.unprobed.push(Unprobed {
                            workspace: Some(arm.workspace),
                            ..left_alone(&table, reason)
                        });
                    }
                    probed.inventory.n_deleted_today = n_deleted(deleted, shard.name(), &table);
                    (self.observer)(&Event::Surveyed {
                        inventory: &probed.inventory,
                    });
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
}

/// What is said of a workspace that is left alone.
pub(super) fn stays(unmatched: &Unmatched) -> String {
    format!(
        "{}; until then the rows of workspace {:?} stay, here and in the tables after it",
        unmatched.problem, unmatched.workspace
    )
}

/// Rows that went before from a table.
pub(super) fn n_deleted(deleted: &[DeletedRows], shard: &str, table: &str) -> u64 {
    let of_table = |rows: &&DeletedRows| rows.shard == shard && rows.table == table;
    deleted
        .iter()
        .filter(of_table)
        .map(|rows| rows.n_rows)
        .sum()
}

/// What is said of a workspace that fits into no statement.
pub(super) fn too_many_rules(arm: &Arm) -> String {
    format!(
        "workspace {:?} has {} project rules, too many for one statement; its rows stay, here and \
         in the tables after it",
        arm.workspace,
        arm.exceptions().len()
    )
}

/// What is said of a workspace of which not even the oldest rows can be counted.
fn uncountable(arm: &Arm, reason: &str) -> String {
    format!(
        "workspace {:?} cannot be counted, not even its oldest rows: {reason}; its rows stay, here and in \
         the tables after it",
        arm.workspace
    )
}

/// What is said of deletes that an earlier cycle sent and that still run.
pub(super) fn still_running(mutations: &[MutationState]) -> String {
    let ids: Vec<&str> = mutations
        .iter()
        .map(|mutation| mutation.id.as_str())
        .collect();
    let ids = ids.join(", ");
    if mutations.iter().all(MutationState::is_rewrite) {
        return format!(
            "a rewrite that frees the disk is not finished ({ids}), and a delete would wait for it; \
             `ebbtide mutations --kill` ends it, and nothing is lost"
        );
    }
    format!(
        "an earlier delete is still running ({ids}), under the rules of its time; wait for it, or \
         end it with KILL MUTATION if those rules no longer hold"
    )
}

/// An error and its causes on one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
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
