//! The OR shape: one clause for each pair of bounds.

use std::collections::BTreeMap;

use super::age::AgeSql;
use super::membership::Membership;
use super::writer::Sql;
use crate::cutoff::Bounds;
use crate::plan::Arm;
use crate::target::CheckedTarget;

/// Arms with the same bounds, ordered by them.
pub(super) fn group_by_bounds(arms: &[Arm]) -> Vec<(Bounds, Vec<&Arm>)> {
    let mut groups: BTreeMap<Bounds, Vec<&Arm>> = BTreeMap::new();
    for arm in arms {
        groups.entry(arm.bounds).or_default().push(arm);
    }
    groups.into_iter().collect()
}

pub(super) fn write(
    target: &CheckedTarget,
    age: &AgeSql,
    groups: &[(Bounds, Vec<&Arm>)],
    out: &mut Sql,
) {
    out.raw("(");
    out.list(groups, "\n OR ", |out, (bounds, arms)| {
        out.raw("(");
        Membership::new(target, arms).write(out);
        out.raw(" AND ");
        age.between(*bounds, out);
        out.raw(")");
    });
    out.raw(")");
}
