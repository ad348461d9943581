//! Counting how old the rows of a table are, to find ages that no rule means as they stand.

use super::age::AgeSql;
use super::writer::Sql;
use crate::target::{AgeKind, CheckedTarget};

/// Years that wrong units, overflows and defaults end up in, and where they begin and end in Unix
/// milliseconds: 32-bit seconds end in 2106, many libraries and types in 2299 or 9999.
const YEARS: [(&str, i64, i64); 3] = [
    ("ebbtide_2106", 4_291_747_200_000, 4_323_283_200_000),
    ("ebbtide_2299", 10_382_256_000_000, 10_413_792_000_000),
    ("ebbtide_9999", 253_370_764_800_000, 253_402_300_800_000),
];
/// The end of 1970.
const YEAR_1971_MS: i64 = 31_536_000_000;
/// A UUIDv7 in text with anything before and after it.
const V7_INSIDE_PATTERN: &str =
    "'(?i)[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'";

/// Compiles one read of a whole table that counts its rows by what is odd about their age. Rows
/// dated from `future_ms` on (Unix milliseconds) count as future.
pub(crate) fn ages(target: &CheckedTarget, future_ms: i64) -> String {
    let age = AgeSql::new(&target.age);
    let mut datable = Sql::new();
    age.datable(&mut datable);
    let mut sql = Sql::new();
    sql.raw("SELECT\n  count() AS ebbtide_rows,\n  toUInt64(count() - countIf(");
    sql.sql(&datable).raw(")) AS ebbtide_undatable");
    let mut counted = |condition: Sql, name: &'static str| {
        sql.raw(",\n  countIf(").sql(&condition).raw(") AS ");
        sql.raw(name);
    };
    counted(empty(&age), "ebbtide_empty");
    counted(padded(&age, &datable), "ebbtide_padded");
    counted(upper(&age, &datable), "ebbtide_upper");
    let within = |from_ms: Option<i64>, below_ms: Option<i64>| {
        // Where a row has no age, its instant means nothing.
        let mut condition = datable.clone();
        for (operator, bound) in [(" >= ", from_ms), (" < ", below_ms)] {
            if let Some(ms) = bound {
                condition.raw(" AND ");
                age.instant_ms(&mut condition);
                condition.raw(operator).number(ms);
            }
        }
        condition
    };
    counted(within(None, Some(YEAR_1971_MS)), "ebbtide_1970");
    for (name, begins_ms, ends_ms) in YEARS {
        counted(within(Some(begins_ms), Some(ends_ms)), name);
    }
    counted(within(Some(future_ms), None), "ebbtide_future");
    sql.raw("\nFROM ");
    super::table(target, &mut sql);
    sql.into_string()
}

/// The condition under which there is no id.
fn empty(age: &AgeSql) -> Sql {
    let mut out = Sql::new();
    out.raw("isNull(").sql(&age.column).raw(")");
    match age.kind {
        // Text of a fixed length is padded with NUL bytes, which `toString` takes off.
        AgeKind::UuidText => out.raw(" OR empty(toString(").sql(&age.column).raw("))"),
        AgeKind::Uuid => out.raw(" OR empty(").sql(&age.column).raw(")"),
        AgeKind::Date | AgeKind::Date32 | AgeKind::DateTime | AgeKind::DateTime64 => &mut out,
    };
    out
}

/// The condition under which there is something around an id that would have an age.
fn padded(age: &AgeSql, datable: &Sql) -> Sql {
    let mut out = Sql::new();
    if age.kind == AgeKind::UuidText {
        out.raw("match(toString(").sql(&age.column).raw("), ");
        out.raw(V7_INSIDE_PATTERN);
        out.raw(") AND NOT (").sql(datable).raw(")");
    } else {
        out.raw("0");
    }
    out
}

/// The condition under which an id with an age has upper-case letters.
fn upper(age: &AgeSql, datable: &Sql) -> Sql {
    let mut out = Sql::new();
    if age.kind == AgeKind::UuidText {
        out.sql(datable).raw(" AND lower(").sql(&age.column);
        out.raw(") != ").sql(&age.column);
    } else {
        out.raw("0");
    }
    out
}
