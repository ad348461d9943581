//! What a table holds, whatever the rules say.

use std::sync::Arc;

use super::age::AgeSql;
use super::membership;
use super::predicate::{ages_of, table};
use super::within::list;
use super::writer::Sql;
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// Which rows a census reads.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The interval that they are of, as far as indexes and partitions tell it apart.
    pub bounds: Bounds,
    /// Whose they are; anybody's if nobody is named.
    pub workspaces: &'a [Arc<str>],
}

/// Compiles the census: which workspaces a table holds, how many rows, and how old the oldest is.
/// Rows dated after `future_ms` (Unix milliseconds) count as future. With `about` only those rows are
/// read.
///
/// With `apart_ms` (Unix milliseconds) rows that are older are in lines of their own, one for each
/// workspace and part, and the lines of a workspace and partition stand together.
///
/// Columns: `ebbtide_workspace String, ebbtide_readable UInt8, ebbtide_part String,
/// ebbtide_rows UInt64, ebbtide_undatable UInt64, ebbtide_future UInt64, ebbtide_oldest_ms
/// Nullable(Int64), ebbtide_newest_ms Nullable(Int64)`.
pub fn census(
    target: &CheckedTarget,
    future_ms: i64,
    about: Option<About<'_>>,
    apart_ms: Option<i64>,
) -> String {
    let age = AgeSql::new(&target.age);
    let mut name = Sql::new();
    membership::selected(&target.workspace, &mut name);
    let apart = apart_ms.map(|apart_ms| part_below(&age, apart_ms));
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
    sql.raw(") AS ebbtide_readable, ");
    match &apart {
        Some(apart) => sql.raw("toString(").sql(apart).raw(")"),
        None => sql.raw("''"),
    };
    sql.raw(" AS ebbtide_part,\n  count() AS ebbtide_rows, toUInt64(count() - countIf(");
    age.datable(&mut sql);
    sql.raw(")) AS ebbtide_undatable,\n  countIf(");
    age.value(&mut sql);
    sql.raw(" >= ");
    age.bound(future_ms, &mut sql);
    sql.raw(" AND ");
    age.datable(&mut sql);
    sql.raw(") AS ebbtide_future,\n  ");
    let mut datable = Sql::new();
    age.datable(&mut datable);
    ages_of(target, &datable, &mut sql);
    sql.raw("\nFROM ");
    table(target, &mut sql);
    if let Some(about) = about {
        sql.raw("\nWHERE ");
        age.about(about.bounds, &mut sql);
        if !about.workspaces.is_empty() {
            sql.raw("\nAND ").identifier(&target.workspace.name);
            sql.raw(" IN (");
            list(about.workspaces, &mut sql);
            sql.raw(")");
        }
    }
    sql.raw("\nGROUP BY ").identifier(&target.workspace.name);
    if let Some(apart) = &apart {
        sql.raw(", ")
            .sql(apart)
            .raw("\nORDER BY ebbtide_workspace, ebbtide_readable, ebbtide_part");
    }
    sql.into_string()
}

/// The part of a row that is older than an instant; of others nothing.
fn part_below(age: &AgeSql, below_ms: i64) -> Sql {
    let mut sql = Sql::new();
    sql.raw("if(");
    age.value(&mut sql);
    sql.raw(" < ");
    age.bound(below_ms, &mut sql);
    sql.raw(", _part, '')");
    sql
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
