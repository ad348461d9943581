//! The columns that a target names: there, and of a type that can be what it says.

use serde::{Deserialize, Serialize};

use crate::target::kind::is_nullable;
use crate::target::{Age, AgeKind, TableSchema, TextKind};

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

pub(super) fn name_column(
    schema: &TableSchema,
    role: &str,
    column: &str,
) -> Result<NameColumn, String> {
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

pub(super) fn age_column(schema: &TableSchema, age: &Age) -> Result<AgeColumn, String> {
    let column = age.column();
    let type_name = schema
        .type_of(column)
        .ok_or_else(|| format!("{}, named as age", missing(schema, column)))?;
    Ok(AgeColumn {
        name: column.to_owned(),
        kind: age_kind(age, type_name)?,
    })
}

pub(super) fn missing(schema: &TableSchema, column: &str) -> String {
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
