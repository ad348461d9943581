//! Rows that stay because another table of the same workspace refers to them.

use std::collections::BTreeSet;

use super::writer::Sql;
use crate::plan::Arm;
use crate::target::{CheckedKeep, CheckedTarget, Comparison};

/// The keep clauses of a target, for some arms.
pub(super) struct Keeps<'a> {
    target: &'a CheckedTarget,
    workspaces: BTreeSet<&'a str>,
}

impl<'a> Keeps<'a> {
    pub(super) fn new(target: &'a CheckedTarget, arms: &'a [Arm]) -> Self {
        Self {
            target,
            workspaces: arms.iter().map(|arm| &*arm.workspace).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.target.keep.is_empty()
    }

    /// `AND … NOT IN (…)` for every clause.
    pub(super) fn write_none(&self, out: &mut Sql) {
        for clause in &self.target.keep {
            out.raw("\nAND ");
            self.write_one(clause, " NOT IN ", out);
        }
    }

    /// `countIf((… IN (…) OR …) AS ebbtide_protected)`, or a zero.
    pub(super) fn write_count(&self, out: &mut Sql) {
        if self.is_empty() {
            out.raw("toUInt64(0)");
            return;
        }
        out.raw("countIf((");
        out.list(&self.target.keep, " OR ", |out, clause| {
            self.write_one(clause, " IN ", out);
        });
        out.raw(") AS ebbtide_protected)");
    }

    /// The condition for rows that nothing protects, beside [`Keeps::write_count`]: by its name,
    /// because the lists of workspaces are long.
    pub(super) fn write_unprotected(&self, out: &mut Sql) {
        out.raw(if self.is_empty() {
            "1"
        } else {
            "NOT ebbtide_protected"
        });
    }

    /// A pair with a NULL in it is in no set: such a row is not referred to.
    fn write_one(&self, checked: &CheckedKeep, operator: &'static str, out: &mut Sql) {
        let keep = &checked.keep;
        let pair = |workspace: &str, key: &str, out: &mut Sql| {
            column(workspace, checked.workspaces, out);
            out.raw(", ");
            column(key, checked.keys, out);
        };
        out.raw("(");
        pair(&self.target.workspace.name, &keep.column, out);
        out.raw(")").raw(operator).raw("(SELECT ");
        pair(&keep.in_workspace, &keep.in_column, out);
        out.raw(" FROM ")
            .identifier(&self.target.database)
            .raw(".")
            .identifier(&keep.in_table);
        if checked.workspaces == Comparison::AsIs {
            // Only a bound on what is read: the pairs are compared with their workspace anyway.
            out.raw(" WHERE ")
                .identifier(&keep.in_workspace)
                .raw(" IN (");
            out.list(&self.workspaces, ", ", |out, workspace| {
                out.text(workspace);
            });
            out.raw(")");
        }
        out.raw(")");
    }
}

/// A column of a pair, as both sides compare it.
fn column(name: &str, comparison: Comparison, out: &mut Sql) {
    match comparison {
        Comparison::AsIs => out.identifier(name),
        Comparison::AsText => out
            .raw("trimRight(toString(")
            .identifier(name)
            .raw("), '\\0')"),
        Comparison::AsLowerText => out.raw("lower(toString(").identifier(name).raw("))"),
    };
}
