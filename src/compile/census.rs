//! What a table holds, whatever the rules say.

use super::age::AgeSql;
use super::membership;
use super::predicate::table;
use super::writer::Sql;
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// Compiles the census: which workspaces a table holds, how many rows, and how old the oldest is.
/// Rows dated after `future_ms` (Unix milliseconds) count as future. With `about` only rows of that
/// interval are read, as far as indexes and partitions tell them apart.
///
/// Columns: `ebbtide_workspace String, ebbtide_readable UInt8, ebbtide_rows UInt64,
/// ebbtide_undatable UInt64, ebbtide_future UInt64, ebbtide_oldest_ms Nullable(Int64)`.
pub fn census(target: &CheckedTarget, future_ms: i64, about: Option<Bounds>) -> String {
    let age = AgeSql::new(&target.age);
    let mut name = Sql::new();
    membership::selected(&target.workspace, &mut name);
    let mut sql = Sql::new();
    sql.raw("SELECT if(isValidUTF8(")
        .sql(&name)
        .raw("), ")
        .sql(&name);
    sql.raw(", hex(")
        .sql(&name)
        .raw(")) AS ebbtide_workspace, isNotNull(")
        .identifier(&target.workspace.name);
    sql.raw(") AND isValidUTF8(").sql(&name);
    sql.raw(") AS ebbtide_readable,\n  count() AS ebbtide_rows, toUInt64(count() - countIf(");
    age.datable(&mut sql);
    sql.raw(")) AS ebbtide_undatable,\n  countIf(");
    age.value(&mut sql);
    sql.raw(" >= ");
    age.bound(future_ms, &mut sql);
    sql.raw(" AND ");
    age.datable(&mut sql);
    sql.raw(") AS ebbtide_future,\n  ");
    age.oldest_ms(&mut sql);
    sql.raw(" AS ebbtide_oldest_ms\nFROM ");
    table(target, &mut sql);
    if let Some(bounds) = about {
        sql.raw("\nWHERE ");
        age.about(bounds, &mut sql);
    }
    sql.raw("\nGROUP BY ").identifier(&target.workspace.name);
    sql.into_string()
}

/// Counts what is left under the predicate of a statement that the compiler made before, as
/// [`crate::compile::Statement::predicate`] returned it.
pub(crate) fn recount(database: &str, table: &str, predicate: &str) -> String {
    let mut sql = Sql::new();
    sql.raw("SELECT count() AS ebbtide_left FROM ")
        .identifier(database)
        .raw(".")
        .identifier(table)
        .raw("\nWHERE ");
    sql.into_string() + predicate
}
