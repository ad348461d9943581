//! What the server says about tables: one question per system table, for all tables at once.

use crate::sql::sql;
use std::collections::HashMap;

use clickhouse::Row;
use clickhouse::query::Query;
use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::target::{Column, TABLE_SETTINGS, TableSchema};

#[derive(Row, Deserialize)]
struct TableRow {
    database: String,
    name: String,
    engine: String,
    engine_full: String,
    defaults: Vec<(String, String)>,
    sorting_key: String,
    partition_key: String,
    dependents: Vec<String>,
}

#[derive(Row, Deserialize)]
struct ColumnRow {
    table: String,
    name: String,
    type_name: String,
    made_by: String,
}

#[derive(Row, Deserialize)]
struct ProjectionRow {
    table: String,
    name: String,
}

#[derive(Row, Deserialize)]
struct PartsRow {
    table: String,
    parts: u64,
    n_rows: u64,
    size_bytes: u64,
}

impl Shard {
    /// The schemas of those of the tables that exist in the database, ordered by name.
    ///
    /// # Errors
    /// When the server cannot be asked, or the user may not read a system table.
    pub async fn schemas(&self, tables: &[&str]) -> Result<Vec<TableSchema>, WarehouseError> {
        let ask = |text: &str| -> Query { self.probes.query_raw(text).param("tables", tables) };
        let of_tables =
            ask(sql!("clickhouse/tables.sql")).param("settings", TABLE_SETTINGS.as_slice());
        let (found, columns, projections, parts) = tokio::try_join!(
            Box::pin(self.fetch::<TableRow>(of_tables)),
            Box::pin(self.fetch::<ColumnRow>(ask(sql!("clickhouse/columns.sql")))),
            Box::pin(self.fetch::<ProjectionRow>(ask(sql!("clickhouse/projections.sql")))),
            Box::pin(self.fetch::<PartsRow>(ask(sql!("clickhouse/parts.sql")))),
        )?;

        let mut columns_of = group(columns, |row| {
            let ColumnRow {
                table,
                name,
                type_name,
                made_by,
            } = row;
            let made_by = (!made_by.is_empty()).then_some(made_by);
            let column = Column {
                name,
                type_name,
                made_by,
            };
            (table, column)
        });
        let mut projections_of = group(projections, |row| (row.table, row.name));
        let mut parts_of: HashMap<String, PartsRow> = parts
            .into_iter()
            .map(|row| (row.table.clone(), row))
            .collect();
        let schema = |row: TableRow| {
            let parts = parts_of.remove(&row.name);
            let size = |of: fn(&PartsRow) -> u64| parts.as_ref().map_or(0, of);
            TableSchema {
                columns: columns_of.remove(&row.name).unwrap_or_default(),
                projections: projections_of.remove(&row.name).unwrap_or_default(),
                parts: size(|parts| parts.parts),
                rows: size(|parts| parts.n_rows),
                bytes: size(|parts| parts.size_bytes),
                database: row.database,
                name: row.name,
                engine: row.engine,
                engine_full: row.engine_full,
                defaults: row.defaults,
                sorting_key: row.sorting_key,
                partition_key: row.partition_key,
                dependents: row.dependents,
            }
        };
        Ok(found.into_iter().map(schema).collect())
    }
}

/// Groups rows by table and keeps their order.
fn group<R, V>(rows: Vec<R>, split: impl Fn(R) -> (String, V)) -> HashMap<String, Vec<V>> {
    let mut groups: HashMap<String, Vec<V>> = HashMap::new();
    for (table, value) in rows.into_iter().map(split) {
        groups.entry(table).or_default().push(value);
    }
    groups
}
