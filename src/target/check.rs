//! A target against the schema that the server reports: every problem at once, each with a remedy.

mod column;
mod engine;
mod keep;
mod unmatched;

use serde::{Deserialize, Serialize};

use self::column::{age_column, name_column};
use self::engine::{check_projections, key_problems, usable};
use self::keep::check_keep;
use super::{Quarantine, TableSchema, Target, Ways};

pub use self::column::{AgeColumn, NameColumn};
pub use self::keep::{CheckedKeep, Comparison};
pub(crate) use self::unmatched::Unmatched;

/// A target whose every identifier the server confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedTarget {
    /// The database of the table.
    pub database: String,
    /// The table.
    pub table: String,
    /// The workspace column.
    pub workspace: NameColumn,
    /// The project column, if configured.
    pub project: Option<NameColumn>,
    /// The age column.
    pub age: AgeColumn,
    /// What is kept.
    pub keep: Vec<CheckedKeep>,
    /// How its rows can be deleted.
    #[serde(default)]
    pub ways: Ways,
}

impl CheckedTarget {
    /// Whether rows of a project can be told from others: there is a project column, and it can
    /// hold the name.
    pub fn can_hold_project(&self, project: &str) -> bool {
        self.project
            .as_ref()
            .is_some_and(|column| column.kind.can_hold(project))
    }
}

impl Target {
    fn problem(&self, message: String) -> TargetProblem {
        TargetProblem {
            table: self.table.clone(),
            kind: ProblemKind::Misfit,
            message,
        }
    }

    /// Checks the target against the server: `schema` is its table, `schema_of` finds the tables
    /// of its keep clauses in the same database, `needs_project` says whether there is a project
    /// rule.
    ///
    /// # Errors
    /// Everything that is wrong, each problem with its remedy.
    pub fn check<'s>(
        &self,
        schema: Option<&TableSchema>,
        schema_of: impl Fn(&str) -> Option<&'s TableSchema>,
        needs_project: bool,
    ) -> Result<CheckedTarget, Vec<TargetProblem>> {
        let schema = match usable(schema) {
            Ok(schema) => schema,
            Err(message) => return Err(vec![self.problem(message)]),
        };
        let mut problems = Vec::new();
        let mut found = |message: String| problems.push(self.problem(message));
        let mut kept = |result: Result<NameColumn, String>| result.map_err(&mut found).ok();
        let workspace = kept(name_column(schema, "workspace", &self.workspace));
        let project = self.project.as_ref();
        let project = project.and_then(|column| kept(name_column(schema, "project", column)));
        if needs_project && self.project.is_none() {
            found(
                "there is a project rule, but this target has no project column; add \
                 targets[].project, or deactivate the project rules"
                    .into(),
            );
        }
        let age = age_column(schema, &self.age).map_err(&mut found).ok();
        let mut keep = Vec::new();
        for clause in &self.keep {
            let other = schema_of(&clause.in_table);
            keep.extend(
                check_keep(clause, &self.workspace, schema, other)
                    .map_err(&mut found)
                    .ok(),
            );
        }
        let ways = age
            .as_ref()
            .and_then(|age| Ways::of(self.method, schema, age).map_err(&mut found).ok());
        let ways = ways.map(|ways| {
            if self.quarantine.is_some() {
                let has_keep = !self.keep.is_empty();
                Quarantine::check(&ways, has_keep, schema).unwrap_or_else(&mut found);
            }
            Ways {
                quarantine: self.quarantine,
                ..ways
            }
        });
        let of_kind = |kind| {
            move |message| TargetProblem {
                kind,
                ..self.problem(message)
            }
        };
        let of_key = key_problems(self, schema).into_iter();
        problems.extend(of_key.map(of_kind(ProblemKind::SortingKey)));
        let of_projections = check_projections(self.projections, schema).err();
        problems.extend(of_projections.map(of_kind(ProblemKind::Projections)));
        match (workspace, age, ways) {
            (Some(workspace), Some(age), Some(ways)) if problems.is_empty() => Ok(CheckedTarget {
                database: schema.database.clone(),
                table: schema.name.clone(),
                workspace,
                project,
                age,
                keep,
                ways,
            }),
            _ => Err(problems),
        }
    }
}

/// What is wrong with one target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target {table}: {message}")]
pub struct TargetProblem {
    /// The table.
    pub table: String,
    pub(crate) kind: ProblemKind,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// Table, columns or types are not what the target says.
    Misfit,
    /// The engine merges rows, and a column that decides is not part of its sorting key.
    SortingKey,
    /// Nobody decided what becomes of the projections.
    Projections,
}
