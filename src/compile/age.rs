//! How rows of each age kind are compared with a bound.
//!
//! Invariant: for every kind, the comparison holds exactly for rows whose age in time is below (or
//! not below) the instant; ids that are not version 7 satisfy no comparison that is joined with
//! [`AgeSql::datable`].

mod envelope;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::writer::Sql;
use crate::cutoff::{Bounds, smallest_id};
use crate::target::{AgeColumn, AgeKind};

const DAY_MS: i64 = 86_400_000;
/// 2149-06-06, the last `Date`.
const DATE_MAX_MS: i64 = 65_535 * DAY_MS;
/// 1900-01-01, where `Date32` and `DateTime64` begin.
const YEAR_1900_MS: i64 = -25_567 * DAY_MS;
/// 2262-01-01, about where `DateTime64(9)` ends.
const YEAR_2262_MS: i64 = 106_651 * DAY_MS;
/// A UUIDv7 in text: version nibble 7, variant bits 10, in either case.
const V7_PATTERN: &str =
    "'(?i)^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'";

/// An age column, ready to be written into a predicate.
pub(super) struct AgeSql {
    pub(super) column: Sql,
    pub(super) kind: AgeKind,
}

impl AgeSql {
    pub(super) fn new(age: &AgeColumn) -> Self {
        let mut column = Sql::new();
        column.identifier(&age.name);
        Self {
            column,
            kind: age.kind,
        }
    }

    /// The expression whose order is that of time.
    pub(super) fn value(&self, out: &mut Sql) {
        match self.kind {
            // Upper-case letters sort before lower-case ones; in lower case, text order is time.
            AgeKind::UuidText => out.raw("lower(").sql(&self.column).raw(")"),
            // The type itself is ordered with its halves swapped; its first 48 bits are the time.
            AgeKind::Uuid => out
                .raw("toUInt64(bitShiftRight(toUInt128(")
                .sql(&self.column)
                .raw("), 80))"),
            AgeKind::Date | AgeKind::Date32 | AgeKind::DateTime | AgeKind::DateTime64 => {
                out.sql(&self.column)
            }
        };
    }

    /// The condition for one pair of bounds.
    pub(super) fn between(&self, bounds: Bounds, out: &mut Sql) {
        if self.kind == AgeKind::UuidText {
            self.envelope(bounds.below_ms, out);
            out.raw(" AND ");
            if let Some(from_ms) = bounds.from_ms {
                self.envelope_from(from_ms, out);
                out.raw(" AND ");
            }
        }
        self.value(out);
        out.raw(" < ");
        self.bound(bounds.below_ms, out);
        if let Some(from_ms) = bounds.from_ms {
            out.raw(" AND ");
            self.value(out);
            out.raw(" >= ");
            self.bound(from_ms, out);
        }
    }

    /// A condition that holds for every row of an interval, and prunes where the type allows it. With a
    /// lower bound it holds for no other.
    pub(super) fn about(&self, bounds: Bounds, out: &mut Sql) {
        if bounds.from_ms.is_some() {
            self.between(bounds, out);
        } else if !self.envelope(bounds.below_ms, out) {
            self.value(out);
            out.raw(" < ");
            self.bound(bounds.below_ms, out);
        }
    }

    /// The condition under which a row has an age. A time that was never set reads as the default
    /// of its type, and would be the most expired of all.
    pub(super) fn datable(&self, out: &mut Sql) {
        let column = &self.column;
        match self.kind {
            AgeKind::UuidText => {
                out.raw("match(toString(")
                    .sql(column)
                    .raw("), ")
                    .raw(V7_PATTERN)
                    .raw(")");
            }
            AgeKind::Uuid => {
                out.raw("bitAnd(bitShiftRight(toUInt128(")
                    .sql(column)
                    .raw("), 76), 15) = 7");
                out.raw(" AND bitAnd(bitShiftRight(toUInt128(")
                    .sql(column)
                    .raw("), 62), 3) = 2");
            }
            AgeKind::Date32 => {
                // Its default is its first day, not 1970.
                out.sql(column).raw(" NOT IN (");
                self.bound(YEAR_1900_MS, out);
                out.raw(", ");
                self.bound(0, out);
                out.raw(")");
            }
            AgeKind::Date | AgeKind::DateTime | AgeKind::DateTime64 => {
                out.sql(column).raw(" != ");
                self.bound(0, out);
            }
        }
    }

    /// The constant for the start of an instant's unit; an instant inside a unit is rounded up, so
    /// that a row which may be older than it does not count as younger. Instants that the type
    /// cannot hold are clamped, which changes no comparison with a row it can hold.
    pub(super) fn bound(&self, unix_ms: i64, out: &mut Sql) {
        match self.kind {
            AgeKind::UuidText => out.text(&smallest_id(unix_ms).to_string()),
            AgeKind::Uuid => out.number(unix_ms.clamp(0, (1 << 48) - 1)),
            AgeKind::Date => out
                .raw("toDate(")
                .text(&day(ceil(unix_ms, DAY_MS).clamp(0, DATE_MAX_MS)))
                .raw(")"),
            AgeKind::Date32 => {
                let ms = ceil(unix_ms, DAY_MS).clamp(YEAR_1900_MS, YEAR_2262_MS);
                out.raw("toDate32(").text(&day(ms)).raw(")")
            }
            AgeKind::DateTime => {
                let seconds = ceil(unix_ms, 1_000) / 1_000;
                out.raw("toDateTime(")
                    .number(seconds.clamp(0, i64::from(u32::MAX)))
                    .raw(", 'UTC')")
            }
            AgeKind::DateTime64 => {
                let ms = unix_ms.clamp(YEAR_1900_MS, YEAR_2262_MS);
                let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
                let text = at
                    .to_zoned(TimeZone::UTC)
                    .strftime("%Y-%m-%d %H:%M:%S.%3f")
                    .to_string();
                out.raw("toDateTime64(").text(&text).raw(", 3, 'UTC')")
            }
        };
    }

    /// The age of the oldest or newest (`minOrNullIf(`, `maxOrNullIf(`) of the rows that satisfy a
    /// condition, as Unix milliseconds, nullable. Numbers are compared, not ids: the least of a group of
    /// texts takes the server several times as long.
    pub(super) fn extreme_ms(&self, function: &'static str, condition: &Sql, out: &mut Sql) {
        out.raw(function);
        self.instant_ms(out);
        out.raw(", ").sql(condition).raw(")");
    }

    /// The age of a datable row as Unix milliseconds; what it is for others means nothing.
    pub(super) fn instant_ms(&self, out: &mut Sql) {
        let column = &self.column;
        match self.kind {
            // The first 48 bits of a UUIDv7 are the time.
            AgeKind::UuidText => out
                .raw("toInt64(bitShiftRight(toUInt128(toUUIDOrZero(toString(")
                .sql(column)
                .raw("))), 80))"),
            AgeKind::Uuid => {
                out.raw("toInt64(");
                self.value(out);
                out.raw(")")
            }
            AgeKind::Date | AgeKind::Date32 | AgeKind::DateTime | AgeKind::DateTime64 => out
                .raw("toUnixTimestamp64Milli(toDateTime64(")
                .sql(column)
                .raw(", 3, 'UTC'))"),
        };
    }
}

fn ceil(unix_ms: i64, unit: i64) -> i64 {
    let below = unix_ms.div_euclid(unit).saturating_mul(unit);
    if below == unix_ms {
        below
    } else {
        below.saturating_add(unit)
    }
}

fn day(unix_ms: i64) -> String {
    crate::cutoff::utc_day(Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH))
}
