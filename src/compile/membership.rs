//! Which rows belong to a set of arms: workspaces without the projects that have policies of their
//! own, and those projects. A text literal is compared with every type of name column.

use super::writer::Sql;
use crate::plan::Arm;
use crate::target::{CheckedTarget, NameColumn};

/// The rows of some arms.
pub(super) struct Membership<'a> {
    target: &'a CheckedTarget,
    workspaces: Vec<&'a Arm>,
    projects: Vec<&'a Arm>,
}

impl<'a> Membership<'a> {
    pub(super) fn new(target: &'a CheckedTarget, arms: &[&'a Arm]) -> Self {
        let (projects, workspaces) = arms.iter().partition(|arm| arm.project().is_some());
        Self {
            target,
            workspaces,
            projects,
        }
    }

    /// `workspace IN (…) [AND (workspace, project) NOT IN (…)]`, `(workspace, project) IN (…)`, or
    /// both joined by OR and bracketed.
    pub(super) fn write(&self, out: &mut Sql) {
        let names_projects = |arm: &&Arm| arm.project().is_some() || !arm.exceptions().is_empty();
        let mut arms = self.workspaces.iter().chain(&self.projects);
        if self.target.project.is_none() && arms.any(names_projects) {
            // Nobody can say which rows are meant.
            out.raw("0");
            return;
        }
        let both = !self.workspaces.is_empty() && !self.projects.is_empty();
        if both {
            out.raw("((");
        }
        if !self.workspaces.is_empty() {
            self.write_workspaces(out);
        }
        if both {
            out.raw(")\n OR (");
        }
        if let (Some(column), false) = (&self.target.project, self.projects.is_empty()) {
            let pairs = self
                .projects
                .iter()
                .filter_map(|arm| Some((*arm, arm.project()?)));
            self.write_pairs(column, pairs, " IN ", out);
        }
        if both {
            out.raw("))");
        }
    }

    fn write_workspaces(&self, out: &mut Sql) {
        out.identifier(&self.target.workspace.name).raw(" IN (");
        out.list(&self.workspaces, ", ", |out, arm| {
            out.text(&arm.workspace);
        });
        out.raw(")");
        let Some(project) = &self.target.project else {
            return;
        };
        let mut exceptions = self
            .workspaces
            .iter()
            .flat_map(|arm| arm.exceptions().iter().map(|name| (*arm, name)))
            .peekable();
        if exceptions.peek().is_some() {
            out.raw(" AND ");
            self.write_pairs(project, exceptions, " NOT IN ", out);
        }
    }

    /// A NULL project is in no list of pairs: its rows follow the workspace.
    fn write_pairs<'n>(
        &self,
        project: &NameColumn,
        pairs: impl Iterator<Item = (&'n Arm, &'n std::sync::Arc<str>)>,
        operator: &'static str,
        out: &mut Sql,
    ) {
        let workspace = &self.target.workspace;
        out.raw("(")
            .identifier(&workspace.name)
            .raw(", ")
            .identifier(&project.name)
            .raw(")");
        out.raw(operator).raw("(");
        out.list(pairs, ", ", |out, (arm, name)| {
            out.raw("(")
                .text(&arm.workspace)
                .raw(", ")
                .text(name)
                .raw(")");
        });
        out.raw(")");
    }
}

/// The name in a column as text. For `FixedString` the server cuts the padding off.
pub(super) fn name(column: &NameColumn, out: &mut Sql) {
    out.raw("toString(").identifier(&column.name).raw(")");
}

/// [`name`] as a plain `String`, for a column of a result. Where it is used, NULLs are left out.
pub(super) fn selected(column: &NameColumn, out: &mut Sql) {
    out.raw("CAST(assumeNotNull(");
    name(column, out);
    out.raw(") AS String)");
}
