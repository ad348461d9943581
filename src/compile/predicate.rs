//! What expired rows of arms satisfy; deletes and probes share it.

use super::age::AgeSql;
use super::lookup;
use super::membership::Membership;
use super::packed::{self, group_by_bounds};
use super::shape::Shape;
use super::writer::Sql;
use crate::plan::Arm;
use crate::target::CheckedTarget;

/// Writes what expired rows of the arms satisfy; returns the shape that was used.
pub(super) fn predicate(
    shape: Shape,
    target: &CheckedTarget,
    arms: &[Arm],
    out: &mut Sql,
) -> Shape {
    let age = AgeSql::new(&target.age);
    let groups = group_by_bounds(arms);
    let shape = if shape == Shape::In && groups.len() > 1 {
        Shape::Or
    } else {
        shape
    };
    match (shape, groups.as_slice()) {
        // No arm, no row: never an empty condition that would match everything.
        (_, []) => {
            out.raw("0");
        }
        (Shape::In, [(bounds, arms), ..]) => {
            Membership::new(target, arms).write(out);
            out.raw("\nAND ");
            age.between(*bounds, out);
        }
        (Shape::Or | Shape::Whole, groups) => packed::write(target, &age, groups, out),
        (Shape::Lookup, _) => lookup::write(target, &age, arms, out),
    }
    out.raw("\nAND ");
    age.datable(out);
    shape
}

pub(super) fn table(target: &CheckedTarget, out: &mut Sql) {
    out.identifier(&target.database)
        .raw(".")
        .identifier(&target.table);
}

/// Two columns: the ages of the oldest and the newest of the rows that satisfy a condition.
pub(super) fn ages_of(target: &CheckedTarget, condition: &Sql, out: &mut Sql) {
    let age = AgeSql::new(&target.age);
    age.extreme_ms("minOrNullIf(", condition, out);
    out.raw(" AS ebbtide_oldest_ms,\n  ");
    age.extreme_ms("maxOrNullIf(", condition, out);
    out.raw(" AS ebbtide_newest_ms");
}
