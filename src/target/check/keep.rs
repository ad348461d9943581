//! Keep clauses: the tables and columns that they name, and how these are compared.

use serde::{Deserialize, Serialize};

use super::column::missing;
use crate::target::kind::strip_wrappers;
use crate::target::{Keep, TableSchema};

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

pub(super) fn check_keep(
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
