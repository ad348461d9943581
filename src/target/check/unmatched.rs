//! Rules and holds that a target cannot tell rows by.

use std::sync::Arc;

use super::{CheckedTarget, NameColumn};
use crate::guard::Guards;
use crate::rule::{Rule, Scope};

/// A rule or hold that a target cannot tell rows by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmatched {
    /// The workspace whose rows nobody may touch, as the column spells it.
    pub(crate) workspace: Arc<str>,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

impl CheckedTarget {
    /// Rules and holds that this target cannot tell rows by: they name a workspace or project in
    /// another spelling than the column has it, or a project where there is no column for it.
    /// They would silently mean nobody, or everybody.
    pub(crate) fn unmatched<'r>(
        &self,
        rules: impl Iterator<Item = &'r Rule>,
        guards: &Guards,
    ) -> Vec<Unmatched> {
        let rules = rules.map(|rule| (("rule", "deactivate"), rule.id, &rule.scope));
        let rules = rules.filter_map(|(words, id, scope)| {
            let without_column = || self.without_column(words, id, scope);
            self.misspelled(words, id, scope).or_else(without_column)
        });
        // Without a column, a hold on a project keeps the rows of its whole workspace.
        let holds = guards.holds().iter();
        let holds =
            holds.filter_map(|hold| self.misspelled(("hold", "release"), hold.id, &hold.scope));
        rules.chain(holds).collect()
    }

    fn misspelled(&self, (noun, verb): (&str, &str), id: u64, scope: &Scope) -> Option<Unmatched> {
        let in_column = |column: &NameColumn, name: &str| {
            let spelling = column.kind.spelling(name)?;
            (spelling != name).then(|| (column.name.clone(), spelling))
        };
        let (workspace, project) = names(scope)?;
        let (column, spelling) = in_column(&self.workspace, workspace)
            .or_else(|| in_column(self.project.as_ref()?, project?))?;
        Some(Unmatched {
            workspace: self.spelled(workspace),
            problem: format!(
                "{noun} {id} for {scope} means nobody here: column {column} spells it \
                 {spelling:?}; add the {noun} in that spelling and {verb} this one"
            ),
        })
    }

    fn without_column(
        &self,
        (noun, verb): (&str, &str),
        id: u64,
        scope: &Scope,
    ) -> Option<Unmatched> {
        let (workspace, Some(_project)) = names(scope)? else {
            return None;
        };
        if self.project.is_some() {
            return None;
        }
        Some(Unmatched {
            workspace: self.spelled(workspace),
            problem: format!(
                "{noun} {id} for {scope} names a project, and this target has no project column; \
                 add targets[].project, or {verb} the {noun}"
            ),
        })
    }

    /// A workspace as the column spells it.
    fn spelled(&self, workspace: &str) -> Arc<str> {
        let spelling = self.workspace.kind.spelling(workspace);
        spelling.map_or_else(|| workspace.into(), Arc::from)
    }
}

/// The workspace and the project that a scope names.
fn names(scope: &Scope) -> Option<(&str, Option<&str>)> {
    match scope {
        Scope::Organization(_) => None,
        Scope::Workspace(workspace) => Some((workspace, None)),
        Scope::Project { workspace, project } => Some((workspace, Some(project))),
    }
}
