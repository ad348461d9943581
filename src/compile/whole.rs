//! Whole partitions: the count that proves that they may go, and the statement that drops them.
//!
//! Invariant: what is sent names the parts that were counted. A part never changes under its name,
//! so a row that comes after the count, or that this replica had not fetched yet, is in none of them.

use std::sync::Arc;

use super::age::AgeSql;
use super::within::list;
use super::writer::Sql;
use super::{Shape, Statement, extreme_of, membership, table};
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// Compiles the statement that drops the parts of whole partitions, which [`strays`] counted.
pub(crate) fn drop_parts(target: &CheckedTarget, parts: &[String]) -> Statement {
    drop_each(Sql::new(), target, "DROP PART ", parts)
}

/// Compiles what dropping partitions looks like before their parts are known: to read.
pub(super) fn drop_partitions(target: &CheckedTarget, partitions: &[Arc<str>]) -> Statement {
    let mut sql = Sql::new();
    sql.raw("-- sent as DROP PART for each part by its name, once its rows were counted again\n");
    drop_each(sql, target, "DROP PARTITION ID ", partitions)
}

fn drop_each(
    mut sql: Sql,
    target: &CheckedTarget,
    what: &'static str,
    names: &[impl AsRef<str>],
) -> Statement {
    sql.raw("ALTER TABLE ");
    table(target, &mut sql);
    sql.raw("\n");
    let predicate_at = sql.len();
    sql.list(names, ", ", |out, name| {
        out.raw(what).text(name.as_ref());
    });
    Statement {
        sql: sql.into_string(),
        shape: Shape::Whole,
        settings: vec![],
        is_mutation: false,
        predicate_at,
        within: String::new(),
    }
}

/// Compiles the proof that partitions may go as a whole: how many rows they hold, and how many of
/// them are not expired under the bounds of everybody, have no age, or belong to nobody.
///
/// Columns: `ebbtide_partition String, ebbtide_rows UInt64, ebbtide_strays UInt64,
/// ebbtide_oldest_ms Nullable(Int64), ebbtide_parts Array(String)`; the parts hold all of these rows.
pub fn strays(target: &CheckedTarget, partitions: &[Arc<str>], expired: Bounds) -> String {
    let age = AgeSql::new(&target.age);
    let mut goes = Sql::new();
    age.between(expired, &mut goes);
    goes.raw(" AND ");
    age.datable(&mut goes);
    let mut name = Sql::new();
    membership::selected(&target.workspace, &mut name);
    goes.raw("\n  AND isNotNull(")
        .identifier(&target.workspace.name)
        .raw(") AND isValidUTF8(")
        .sql(&name)
        .raw(")");
    let mut sql = Sql::new();
    sql.raw("SELECT toString(_partition_id) AS ebbtide_partition, count() AS ebbtide_rows,\n");
    sql.raw("  toUInt64(count() - countIf(").sql(&goes);
    sql.raw(")) AS ebbtide_strays,\n  ");
    extreme_of(target, "minOrNullIf(", &goes, &mut sql);
    sql.raw(" AS ebbtide_oldest_ms,\n  groupUniqArray(toString(_part)) AS ebbtide_parts\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE _partition_id IN (");
    list(partitions, &mut sql);
    sql.raw(")\nGROUP BY _partition_id");
    sql.into_string()
}
