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

/// What older rows of a workspace are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Parts, with their partitions.
    Parts,
    /// Partitions.
    Partitions,
}

/// Compiles the census: which workspaces a table holds, how many rows, and how old the oldest is.
/// Rows dated after `future_ms` (Unix milliseconds) count as future. With `about` only those rows are
/// read.
///
/// With `apart` rows that are older than an instant (Unix milliseconds) are in lines of their own, one for
/// each workspace and partition (`all` where the table has none) or part; the lines of a workspace stand
/// together, and among these those of a partition.
///
/// Columns: `ebbtide_workspace String, ebbtide_readable UInt8, ebbtide_partition String, ebbtide_part String,
/// ebbtide_rows UInt64, ebbtide_undatable UInt64, ebbtide_future UInt64, ebbtide_oldest_ms
/// Nullable(Int64), ebbtide_newest_ms Nullable(Int64)`.
pub fn census(
    target: &CheckedTarget,
    future_ms: i64,
    about: Option<About<'_>>,
    apart: Option<(i64, Apart)>,
) -> String {
    let age = AgeSql::new(&target.age);
    let mut name = Sql::new();
    membership::selected(&target.workspace, &mut name);
    let group = apart.map(|(below_ms, apart)| (apart, group_below(&age, below_ms, apart)));
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
    match &group {
        Some((Apart::Parts, part)) => sql
            .raw("if(")
            .sql(part)
            .raw(" = '', '', toString(any(_partition_id))) AS ebbtide_partition, toString(")
            .sql(part)
            .raw(")"),
        Some((Apart::Partitions, partition)) => sql
            .raw("toString(")
            .sql(partition)
            .raw(") AS ebbtide_partition, ''"),
        None => sql.raw("'' AS ebbtide_partition, ''"),
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
    if let Some((_, group)) = &group {
        sql.raw(", ")
            .sql(group)
            .raw("\nORDER BY ebbtide_workspace, ebbtide_readable, ebbtide_partition");
    }
    sql.into_string()
}

/// The part or partition of a row that is older than an instant; of others nothing.
fn group_below(age: &AgeSql, below_ms: i64, apart: Apart) -> Sql {
    let mut sql = Sql::new();
    sql.raw("if(");
    age.value(&mut sql);
    sql.raw(" < ");
    age.bound(below_ms, &mut sql);
    sql.raw(match apart {
        Apart::Parts => ", _part, '')",
        Apart::Partitions => ", _partition_id, '')",
    });
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
