//! Packing: as few statements as possible, each within its limits.
//!
//! Every statement is a mutation, and a mutation is registered against every active part: the cost
//! of a cycle is about mutations × parts. So arms are packed until a limit is reached.

use super::{Arm, Budget};
use crate::compile;
use crate::target::CheckedTarget;

/// The limits of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Arms in a statement: workspaces, or projects with a policy of their own.
    pub workspaces_per_statement: usize,
    /// Bytes of a statement; `max_query_size` of the server is 262,144.
    pub statement_bytes: usize,
    /// Rows in a step, unless a single arm has more.
    pub rows_per_step: u64,
    /// The largest share of a table's rows that a plan may delete.
    pub max_share_of_table: f64,
    /// What one cycle may do.
    pub budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workspaces_per_statement: 1_000,
            statement_bytes: 240_000,
            rows_per_step: 5_000_000,
            max_share_of_table: 0.5,
            budget: Budget::default(),
        }
    }
}

/// Arms, packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// The arms of each statement.
    pub statements: Vec<Vec<Arm>>,
    /// Arms that fit into no statement: a workspace with thousands of project rules. They are
    /// reported, and their rows stay.
    pub oversized: Vec<Arm>,
}

/// Packs arms into statements. Arms with the same bounds come together, because a statement with
/// few bounds has the cheaper shape. Several pieces of one policy come apart.
pub fn pack(mut arms: Vec<Arm>, target: &CheckedTarget, limits: &Limits) -> Packed {
    // From the last to the first, because statements are cut off at the end. A stable sort would
    // need half of the arms' memory again, and no two arms compare equal.
    arms.sort_unstable_by(|a, b| {
        let by_bounds = b.piece.cmp(&a.piece).then_with(|| b.bounds.cmp(&a.bounds));
        let by_name = by_bounds.then_with(|| b.workspace.cmp(&a.workspace));
        by_name.then_with(|| b.project().cmp(&a.project()))
    });
    let room = limits
        .statement_bytes
        .saturating_sub(compile::frame_len(target));
    let mut packed = Packed::default();
    while let Some(last) = arms.last() {
        if compile::encoded_len(last, target) > room {
            packed.oversized.extend(arms.pop());
            continue;
        }
        let n_arms = fitting(&arms, target, limits, room);
        let mut statement = arms.split_off(arms.len() - n_arms);
        statement.reverse();
        packed.statements.push(statement);
        if packed
            .statements
            .len()
            .is_multiple_of(STATEMENTS_PER_SHRINK)
        {
            arms.shrink_to_fit();
        }
    }
    packed
}

/// How often the room of arms that were packed is given back: a million need a hundred megabytes.
const STATEMENTS_PER_SHRINK: usize = 64;

/// How many arms, from the end, fit into one statement; at least one.
fn fitting(arms: &[Arm], target: &CheckedTarget, limits: &Limits, room: usize) -> usize {
    let (mut bytes, mut n_rows) = (0, 0_u64);
    let piece = arms.last().map(|arm| arm.piece);
    let fits = |(at, arm): &(usize, &Arm)| {
        bytes += compile::encoded_len(arm, target);
        n_rows = n_rows.saturating_add(arm.n_due);
        *at == 0 || (bytes <= room && n_rows <= limits.rows_per_step && Some(arm.piece) == piece)
    };
    let most = limits.workspaces_per_statement.max(1);
    arms.iter()
        .rev()
        .take(most)
        .enumerate()
        .take_while(fits)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutoff::Bounds;
    use crate::plan::Projects;
    use crate::target::{
        AgeColumn, AgeKind, CheckedKeep, Comparison, Keep, NameColumn, TextKind, Ways,
    };
    use proptest::prelude::*;

    fn target() -> CheckedTarget {
        let name = |name: &str| NameColumn {
            name: name.into(),
            kind: TextKind::String,
            nullable: false,
        };
        CheckedTarget {
            database: "some_database".into(),
            table: "some_table".into(),
            workspace: name("workspace_id"),
            project: Some(name("project_id")),
            age: AgeColumn {
                name: "at".into(),
                kind: AgeKind::DateTime64,
            },
            keep: vec![CheckedKeep {
                keep: Keep {
                    column: "id".into(),
                    in_table: "items".into(),
                    in_column: "trace_id".into(),
                    in_workspace: "workspace_id".into(),
                },
                workspaces: Comparison::AsIs,
                keys: Comparison::AsIs,
            }],
            ways: Ways::default(),
        }
    }

    fn arm() -> impl Strategy<Value = Arm> {
        let name = r"(\PC|['\\\x00]){0,60}";
        let exceptions = prop::collection::vec(name, 0..4);
        (
            name,
            prop::option::of(name),
            exceptions,
            0_i64..40,
            prop::option::of(0_i64..9),
            0_u64..50,
            0_u32..3,
        )
            .prop_map(
                |(workspace, project, exceptions, below, from_ms, n_due, piece)| {
                    let projects = match project {
                        Some(project) => Projects::Only(project.into()),
                        None => Projects::Except(exceptions.into_iter().map(Into::into).collect()),
                    };
                    let below_ms = below * 86_400_000;
                    Arm {
                        piece,
                        n_due,
                        ..Arm::new(workspace, projects, Bounds { below_ms, from_ms })
                    }
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_arm_is_in_one_statement_that_keeps_its_limits(
            arms in prop::collection::vec(arm(), 0..400),
            workspaces_per_statement in 1_usize..200,
            room in 2_000_usize..40_000,
        ) {
            let target = target();
            let limits = Limits {
                workspaces_per_statement,
                statement_bytes: compile::frame_len(&target) + room,
                rows_per_step: 500,
                max_share_of_table: 1.0,
                budget: Budget::default(),
            };
            let packed = pack(arms.clone(), &target, &limits);
            for statement in &packed.statements {
                prop_assert!(!statement.is_empty() && statement.len() <= workspaces_per_statement);
                prop_assert!(statement.iter().all(|arm| arm.piece == statement[0].piece));
                let n_rows: u64 = statement.iter().map(|arm| arm.n_due).sum();
                prop_assert!(n_rows <= 500 || statement.len() == 1);
                let sql = compile::compile(&target, statement, "ebbtide:retention:t:1").sql;
                prop_assert!(sql.len() <= limits.statement_bytes, "{} bytes", sql.len());
            }
            let key = |arm: &Arm| format!("{arm:?}");
            let mut before: Vec<String> = arms.iter().map(key).collect();
            let mut after: Vec<String> = packed.statements.iter().flatten().map(key).collect();
            after.extend(packed.oversized.iter().map(key));
            before.sort();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }
}
