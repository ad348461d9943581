//! How long a statement can get.

use super::shape::MAX_OR_CLAUSES;
use super::writer::literal_len;
use crate::plan::Arm;
use crate::target::CheckedTarget;

/// An upper bound for the bytes that an arm adds to a statement, whatever its shape.
pub(crate) fn encoded_len(arm: &Arm, target: &CheckedTarget) -> usize {
    // The longest bound, `toDateTime64('2026-09-22 00:00:00.000', 3, 'UTC')`, and its comma.
    const BOUND: usize = 52;
    // Brackets, commas, spaces, and the length prefix of a lookup key.
    const PUNCTUATION: usize = 16;
    let workspace = literal_len(&arm.workspace) + PUNCTUATION;
    let with = |project: &str| workspace + literal_len(project) + PUNCTUATION;
    let key = arm.project().map_or(workspace, |project| with(project));
    let exceptions: usize = arm.exceptions().iter().map(|project| with(project)).sum();
    let n_bounds = 1 + usize::from(arm.bounds.from_ms.is_some());
    let n_keys = 1 + n_bounds;
    key * n_keys + n_bounds * BOUND + exceptions + workspace * target.keep.len()
}

/// An upper bound for the bytes of a statement beside its arms.
pub(crate) fn frame_len(target: &CheckedTarget) -> usize {
    // Each identifier occurs a bounded number of times, in each of the clauses of the OR shape.
    let clauses = 4 * (MAX_OR_CLAUSES + 4);
    let identifiers = [
        &target.database,
        &target.table,
        &target.workspace.name,
        &target.age.name,
    ]
    .into_iter()
    .chain(target.project.as_ref().map(|column| &column.name))
    .map(|name| 2 * name.len() + 3)
    .sum::<usize>();
    let keeps: usize = target
        .keep
        .iter()
        .map(|keep| {
            let clause = &keep.keep;
            1_000
                + 8 * (clause.column.len() + clause.in_table.len() + clause.in_column.len())
                + 8 * clause.in_workspace.len()
        })
        .sum();
    clauses * (identifiers + 100) + keeps + 1_000
}
