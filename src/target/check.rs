//! A target against the schema that the server reports: every problem at once, each with a remedy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::{is_nullable, strip_wrappers};
use crate::guard::Guards;
use crate::rule::{Rule, Scope};

use super::{Age, AgeKind, Keep, ProjectionMode, Quarantine, TableSchema, Target, TextKind, Ways};

/// A column with names in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameColumn {
    /// The name of the column.
    pub name: String,
    /// Its type.
    pub kind: TextKind,
    /// Whether it admits NULL.
    pub nullable: bool,
}

/// The column that rows are aged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgeColumn {
    /// The name of the column.
    pub name: String,
    /// Its type.
    pub kind: AgeKind,
}

/// A keep clause whose columns exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedKeep {
    /// The clause of the config.
    pub keep: Keep,
    /// How the two workspace columns are compared.
    pub workspaces: Comparison,
    /// How the two keys are compared.
    pub keys: Comparison,
}

/// How two columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// They have one type.
    AsIs,
    /// As text without padding.
    AsText,
    /// As lower-case text: one of them is a `UUID`, and the other may spell it in upper case.
    AsLowerText,
}

impl Comparison {
    fn of(one: &str, other: &str) -> Self {
        if one == other {
            Self::AsIs
        } else if [one, other].contains(&"UUID") {
            Self::AsLowerText
        } else {
            Self::AsText
        }
    }
}

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

impl CheckedTarget {
    /// Whether rows of a project can be told from others: there is a project column, and it can
    /// hold the name.
    pub fn can_hold_project(&self, project: &str) -> bool {
        self.project
            .as_ref()
            .is_some_and(|column| column.kind.can_hold(project))
    }

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

/// A rule or hold that a target cannot tell rows by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmatched {
    /// The workspace whose rows nobody may touch, as the column spells it.
    pub(crate) workspace: Arc<str>,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

/// The schema, if lightweight deletes work on such a table.
fn usable(schema: Option<&TableSchema>) -> Result<&TableSchema, String> {
    let schema = schema.ok_or(
        "the table does not exist in this database; correct targets[].table or \
         clickhouse.database",
    )?;
    if schema.is_merge_tree() {
        return Ok(schema);
    }
    if schema.engine != "Distributed" {
        return Err(format!(
            "has the engine {}, which has no lightweight delete; only the MergeTree family does: \
                 remove it from the targets",
            schema.engine
        ));
    }
    Err(match distributed_local(&schema.engine_full) {
        Some(local) => format!(
            "is a Distributed table, which refuses deletes; name its local table {local} and list \
             every shard under clickhouse.shards"
        ),
        None => "is a Distributed table, which refuses deletes; name its local table".into(),
    })
}

fn name_column(schema: &TableSchema, role: &str, column: &str) -> Result<NameColumn, String> {
    let Some(type_name) = schema.type_of(column) else {
        return Err(format!("{}, named as {role}", missing(schema, column)));
    };
    let Some(kind) = TextKind::parse(type_name) else {
        return Err(format!(
            "column {column} has the type {type_name}, which cannot be a {role}; String, \
             FixedString, UUID and integers can"
        ));
    };
    Ok(NameColumn {
        name: column.to_owned(),
        kind,
        nullable: is_nullable(type_name),
    })
}

fn age_column(schema: &TableSchema, age: &Age) -> Result<AgeColumn, String> {
    let column = age.column();
    let type_name = schema
        .type_of(column)
        .ok_or_else(|| format!("{}, named as age", missing(schema, column)))?;
    Ok(AgeColumn {
        name: column.to_owned(),
        kind: age_kind(age, type_name)?,
    })
}

fn missing(schema: &TableSchema, column: &str) -> String {
    let known = schema
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect::<Vec<_>>();
    format!("has no column {column} (it has: {})", known.join(", "))
}

fn age_kind(age: &Age, type_name: &str) -> Result<AgeKind, String> {
    let column = age.column();
    match age {
        Age::UuidV7(_) => AgeKind::of_uuid_v7(type_name).ok_or_else(|| {
            let hint = if AgeKind::of_time(type_name).is_some() {
                format!("; write age: {{time: {column}}}")
            } else {
                String::new()
            };
            format!(
                "column {column} has the type {type_name}, which holds no UUIDv7; String, \
                 FixedString(36) and UUID do{hint}"
            )
        }),
        Age::Time(_) => AgeKind::of_time(type_name).ok_or_else(|| {
            let hint = if AgeKind::of_uuid_v7(type_name).is_some() {
                format!("; if it holds UUIDv7 ids write age: {{uuid_v7: {column}}}")
            } else {
                String::new()
            };
            format!(
                "column {column} has the type {type_name}, which has no age; Date, Date32, \
                 DateTime and DateTime64 have{hint}"
            )
        }),
    }
}

fn check_keep(
    keep: &Keep,
    workspace: &str,
    schema: &TableSchema,
    other: Option<&TableSchema>,
) -> Result<CheckedKeep, String> {
    let Keep {
        column,
        in_table,
        in_column,
        in_workspace,
    } = keep;
    let Some(other) = other else {
        return Err(format!(
            "keep names the table {in_table}, which does not exist in this database; correct \
             in_table: {in_table}"
        ));
    };
    let type_in = |schema: &TableSchema, column: &str| {
        let type_name = schema.type_of(column);
        type_name
            .map(|name| strip_wrappers(name).to_owned())
            .ok_or_else(|| {
                let missing = missing(schema, column);
                format!("keep: table {} {missing}; name one of these", schema.name)
            })
    };
    let workspaces = (type_in(schema, workspace)?, type_in(other, in_workspace)?);
    let keys = (type_in(schema, column)?, type_in(other, in_column)?);
    Ok(CheckedKeep {
        keep: keep.clone(),
        workspaces: Comparison::of(&workspaces.0, &workspaces.1),
        keys: Comparison::of(&keys.0, &keys.1),
    })
}

/// Engines that merge rows of one sorting key: a delete that takes some rows of a key and leaves
/// others would bring an older version back, or change a sum.
fn key_problems(target: &Target, schema: &TableSchema) -> Vec<String> {
    let merges_rows = [
        "Replacing",
        "Collapsing",
        "Coalescing",
        "Summing",
        "Aggregating",
        "Graphite",
    ]
    .iter()
    .any(|word| schema.engine.contains(word));
    if !merges_rows {
        return Vec::new();
    }
    let key = split_key(&schema.sorting_key);
    let columns = [
        ("workspace", Some(target.workspace.as_str())),
        ("project", target.project.as_deref()),
    ]
    .into_iter()
    .chain([("age", Some(target.age.column()))])
    .chain(
        target
            .keep
            .iter()
            .map(|keep| ("keep", Some(keep.column.as_str()))),
    );
    columns
        .filter_map(|(role, column)| column.map(|column| (role, column)))
        .filter(|(_, column)| schema.type_of(column).is_some() && !key.contains(column))
        .map(|(role, column)| {
            format!(
                "{} merges rows with the same sorting key ({}), and the {role} column {column} is \
                 not part of it: deleting some rows of a key and not the others would bring an older \
                 version back, or change a sum; use a column of the sorting key",
                schema.engine, schema.sorting_key
            )
        })
        .collect()
}

/// The elements of a sorting key; brackets and quotes keep an element together.
fn split_key(key: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let (mut depth, mut start, mut quoted) = (0_i32, 0, false);
    for (at, letter) in key.char_indices() {
        match letter {
            '`' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                elements.push(key.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    elements.push(key.get(start..).unwrap_or_default());
    elements
        .into_iter()
        .map(|element| element.trim().trim_matches('`'))
        .collect()
}

fn check_projections(mode: Option<ProjectionMode>, schema: &TableSchema) -> Result<(), String> {
    if schema.projections.is_empty() {
        return Ok(());
    }
    let names = schema.projections.join(", ");
    let Some(mode) = mode else {
        return Err(format!(
            "has projections ({names}) and the config does not say what a delete does with them; \
             add projections: rebuild (costs CPU) or projections: drop (slower queries) to the target"
        ));
    };
    let setting = "lightweight_mutation_projection_mode";
    if schema
        .engine_full
        .contains(&format!("{setting} = '{mode}'"))
    {
        return Ok(());
    }
    Err(format!(
        "has projections ({names}) and the config says projections: {mode}, but the table itself \
         does not allow it yet; run: ALTER TABLE {}.{} MODIFY SETTING {setting} = '{mode}'",
        schema.database, schema.name
    ))
}

/// `database.table` of the local table from `Distributed('cluster', 'database', 'table', …)`.
fn distributed_local(engine_full: &str) -> Option<String> {
    let mut quoted = engine_full.split('\'').skip(1).step_by(2);
    let (_cluster, database, table) = (quoted.next()?, quoted.next()?, quoted.next()?);
    Some(format!("{database}.{table}"))
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
