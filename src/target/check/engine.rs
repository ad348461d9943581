//! What the engine of a table, its sorting key and its projections mean for deletes.

use crate::target::setting::PROJECTION_MODE;
use crate::target::{ProjectionMode, TableSchema, Target};

/// The schema, if lightweight deletes work on such a table.
pub(super) fn usable(schema: Option<&TableSchema>) -> Result<&TableSchema, String> {
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

/// Engines that merge rows of one sorting key: a delete that takes some rows of a key and leaves
/// others would bring an older version back, or change a sum.
pub(super) fn key_problems(target: &Target, schema: &TableSchema) -> Vec<String> {
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

pub(super) fn check_projections(
    mode: Option<ProjectionMode>,
    schema: &TableSchema,
) -> Result<(), String> {
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
    if schema.does_with_projections(mode) {
        return Ok(());
    }
    Err(format!(
        "has projections ({names}) and the config says projections: {mode}, but the table itself \
         does not allow it yet; run: ALTER TABLE {}.{} MODIFY SETTING {PROJECTION_MODE} = '{mode}'",
        schema.database, schema.name
    ))
}

/// `database.table` of the local table from `Distributed('cluster', 'database', 'table', …)`.
fn distributed_local(engine_full: &str) -> Option<String> {
    let mut quoted = engine_full.split('\'').skip(1).step_by(2);
    let (_cluster, database, table) = (quoted.next()?, quoted.next()?, quoted.next()?);
    Some(format!("{database}.{table}"))
}
