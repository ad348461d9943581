//! Whole partitions: the statement that drops them, and the count that proves that it may.

use std::sync::Arc;

use super::age::AgeSql;
use super::within::list;
use super::writer::Sql;
use super::{Shape, Statement, extreme_of, membership, table};
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// Compiles the statement that drops partitions.
pub(super) fn drop_partitions(target: &CheckedTarget, partitions: &[Arc<str>]) -> Statement {
    alter(target, partitions, |out, id| {
        out.raw("DROP PARTITION ID ").text(id);
    })
}

/// Compiles an ALTER that does the same to each of some partitions.
pub(super) fn alter(
    target: &CheckedTarget,
    partitions: &[Arc<str>],
    each: impl FnMut(&mut Sql, &Arc<str>),
) -> Statement {
    let mut sql = Sql::new();
    sql.raw("ALTER TABLE ");
    table(target, &mut sql);
    sql.raw("\n");
    let predicate_at = sql.len();
    sql.list(partitions, ", ", each);
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
/// ebbtide_oldest_ms Nullable(Int64)`.
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
    sql.raw(" AS ebbtide_oldest_ms\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE _partition_id IN (");
    list(partitions, &mut sql);
    sql.raw(")\nGROUP BY _partition_id");
    sql.into_string()
}
