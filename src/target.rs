//! Targets: one configured table each, and what the server says about it.
//!
//! Invariant: a [`CheckedTarget`] names only identifiers that the server confirmed, and has an age
//! column whose type has an age. Nothing is compiled for an unchecked [`Target`].

mod check;
mod ddl;
mod kind;
mod period;
mod quarantine;
mod reach;
mod setting;
mod ways;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use check::{AgeColumn, CheckedKeep, CheckedTarget, Comparison, NameColumn, TargetProblem};
pub(crate) use check::{ProblemKind, Unmatched};
pub(crate) use ddl::{Token, tokens};
pub use kind::{AgeKind, TextKind};
pub use period::Period;
pub(crate) use quarantine::PREFIX as QUARANTINE_PREFIX;
pub use quarantine::{Quarantine, QuarantineTable};
pub(crate) use reach::Reach;
pub use reach::TargetChange;
pub(crate) use setting::TABLE_SETTINGS;
pub use ways::{MethodChoice, Ways};

/// One table as the config describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The table, in the database of the connection.
    pub table: String,
    /// The column with the workspace.
    pub workspace: String,
    /// The column with the project; needed as soon as there is a project rule.
    #[serde(default)]
    pub project: Option<String>,
    /// Where the age of a row comes from.
    pub age: Age,
    /// Rows that stay because another table refers to them.
    #[serde(default)]
    pub keep: Vec<Keep>,
    /// What a delete does with the projections of the table; needed if it has any.
    #[serde(default)]
    pub projections: Option<ProjectionMode>,
    /// How its rows are deleted.
    #[serde(default)]
    pub method: MethodChoice,
    /// Whether whole partitions are kept for a while before they are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// Where the age of a row comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Age {
    /// A column with UUIDv7 ids, its own or its parent's.
    UuidV7(String),
    /// A column with a date or a time.
    Time(String),
}

impl Age {
    /// The column.
    pub fn column(&self) -> &str {
        match self {
            Self::UuidV7(column) | Self::Time(column) => column,
        }
    }
}

/// Rows whose `column` occurs as `in_column` of `in_table` in the same workspace stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The key column of the target.
    pub column: String,
    /// The table that refers to it.
    pub in_table: String,
    /// The referring column.
    pub in_column: String,
    /// The workspace column of the referring table.
    pub in_workspace: String,
}

/// What a lightweight delete does with projections; a setting of the table that must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionMode {
    /// Parts with deleted rows lose their projections.
    Drop,
    /// Projections of parts with deleted rows are built again.
    Rebuild,
}

impl fmt::Display for ProjectionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Rebuild => "rebuild",
        })
    }
}

/// What the server says about one table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TableSchema {
    /// The database.
    pub database: String,
    /// The table.
    pub name: String,
    /// The engine, such as `ReplacingMergeTree`.
    pub engine: String,
    /// The engine with its parameters, clauses and settings.
    pub engine_full: String,
    /// Settings of the server for tables that do not say otherwise, as far as they matter.
    pub defaults: Vec<(String, String)>,
    /// The sorting key as an expression list.
    pub sorting_key: String,
    /// The partition key, empty for none.
    pub partition_key: String,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The names of its projections.
    pub projections: Vec<String>,
    /// Views and tables that are fed from it, as `database.name`; deletes do not reach them.
    pub dependents: Vec<String>,
    /// Active parts.
    pub parts: u64,
    /// Rows in active parts, deleted ones included until they are merged away.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// A column and its type as the server writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type, such as `LowCardinality(String)`.
    pub type_name: String,
    /// The expression that every value of it comes from, if it is MATERIALIZED or an ALIAS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

impl TableSchema {
    /// The type of a column, if the table has it.
    pub fn type_of(&self, column: &str) -> Option<&str> {
        self.columns
            .iter()
            .find(|found| found.name == column)
            .map(|found| found.type_name.as_str())
    }

    /// Whether a lightweight delete works on this engine.
    pub fn is_merge_tree(&self) -> bool {
        self.engine.ends_with("MergeTree")
    }
}
