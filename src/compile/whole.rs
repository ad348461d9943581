//! Whole partitions: the count that proves that they may go, and the statement that drops them.
//!
//! Invariant: what is sent names the parts in which all rows were seen. A part never changes under its
//! name, so a row that comes after that, or that this replica had not fetched yet, is in none of them.

use std::sync::Arc;

use super::age::AgeSql;
use super::predicate::{ages_of, table};
use super::within::list;
use super::writer::Sql;
use super::{Shape, Statement, membership};
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// Compiles the statement that drops the parts of whole partitions.
pub(crate) fn drop_parts(target: &CheckedTarget, parts: &[String]) -> Statement {
    alter(Sql::new(), target, parts, |out, name| {
        out.raw("DROP PART ").text(name);
    })
}

/// Compiles what dropping partitions looks like before their parts are known: to read.
pub(super) fn drop_partitions(target: &CheckedTarget, partitions: &[Arc<str>]) -> Statement {
    let mut sql = Sql::new();
    sql.raw("-- sent as DROP PART for each part by its name, once all of its rows were seen to be expired\n");
    alter(sql, target, partitions, |out, id| {
        out.raw("DROP PARTITION ID ").text(id);
    })
}

/// Compiles an ALTER that does the same to each of some parts or partitions.
pub(super) fn alter<N>(
    mut sql: Sql,
    target: &CheckedTarget,
    names: &[N],
    each: impl FnMut(&mut Sql, &N),
) -> Statement {
    sql.raw("ALTER TABLE ");
    table(target, &mut sql);
    sql.raw("\n");
    let predicate_at = sql.len();
    sql.list(names, ", ", each);
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
/// ebbtide_oldest_ms Nullable(Int64), ebbtide_newest_ms Nullable(Int64), ebbtide_parts
/// Array(String)`; the parts hold all of these rows.
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
    ages_of(target, &goes, &mut sql);
    sql.raw(",\n  groupUniqArray(toString(_part)) AS ebbtide_parts\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE _partition_id IN (");
    list(partitions, &mut sql);
    sql.raw(")\nGROUP BY _partition_id");
    sql.into_string()
}
