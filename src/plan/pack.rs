//! Packing: as few statements as possible, each within its limits.
//!
//! Every statement is a mutation, and a mutation is registered against every active part: the cost
//! of a cycle is about mutations × parts. So arms are packed until a limit is reached.

use super::Arm;
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workspaces_per_statement: 1_000,
            statement_bytes: 240_000,
            rows_per_step: 5_000_000,
            max_share_of_table: 0.5,
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
/// few bounds has the cheaper shape.
pub fn pack(mut arms: Vec<Arm>, target: &CheckedTarget, limits: &Limits) -> Packed {
    // A stable sort would need half of the arms' memory again; no two arms compare equal.
    arms.sort_unstable_by(|a, b| {
        (a.bounds, &a.workspace, a.project()).cmp(&(b.bounds, &b.workspace, b.project()))
    });
    let frame = compile::frame_len(target);
    let mut packed = Packed::default();
    let mut bytes = 0;
    let mut rows = 0_u64;
    for arm in arms {
        let arm_bytes = compile::encoded_len(&arm, target);
        if frame + arm_bytes > limits.statement_bytes {
            packed.oversized.push(arm);
            continue;
        }
        match packed.statements.last_mut() {
            Some(last)
                if last.len() < limits.workspaces_per_statement
                    && bytes + arm_bytes <= limits.statement_bytes
                    && rows.saturating_add(arm.n_due) <= limits.rows_per_step =>
            {
                bytes += arm_bytes;
                rows = rows.saturating_add(arm.n_due);
                last.push(arm);
            }
            _ => {
                bytes = frame + arm_bytes;
                rows = arm.n_due;
                packed.statements.push(vec![arm]);
            }
        }
    }
    packed
}
