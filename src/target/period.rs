//! What a partition holds, where its key is a function of the age column that is understood.
//!
//! Invariant: a key is only understood where no age can lie in a partition of another time. Dates of
//! 16 bits wrap: `toDate` of a `DateTime64` of the year 2200 is a day of 2020. So such functions
//! are only understood of types that they can hold.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::{AgeColumn, AgeKind, TableSchema};

/// The stretch of time in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A calendar month.
    Month,
}

/// Keys of any age, with `?` for the instant: their results hold every year that a column can.
const OF_ANY: [(&str, Period); 4] = [
    ("toYYYYMM(?)", Period::Month),
    ("toYYYYMMDD(?)", Period::Day),
    ("toDate32(?)", Period::Day),
    (
        "toYYYYMMDD(toDate32(?) - toIntervalDay(toDayOfWeek(?, 1)))",
        Period::Week,
    ),
];

/// Keys with results of 16 bits, of columns that have no more days themselves.
const OF_NARROW: [(&str, Period); 5] = [
    ("toDate(?)", Period::Day),
    ("toMonday(?)", Period::Week),
    ("toStartOfWeek(?)", Period::Week),
    ("toStartOfWeek(?, 1)", Period::Week),
    ("toStartOfMonth(?)", Period::Month),
];

/// A key whose result has 32 bits of seconds: of a `Date` it wraps in 2106.
const OF_SECONDS: [(&str, Period); 1] = [("toStartOfDay(?)", Period::Day)];

/// No zone is further from UTC.
const MARGIN_MS: i64 = 86_400_000;

impl Period {
    /// What a partition of a table holds, if its key is understood.
    pub(super) fn of(schema: &TableSchema, age: &AgeColumn) -> Option<Self> {
        let key = schema.partition_key.trim();
        let bare = key
            .strip_prefix('(')
            .and_then(|key| key.strip_suffix(')'))
            .unwrap_or(key);
        let instants = instants(schema, age);
        let is_seconds = age.kind == AgeKind::DateTime;
        let is_narrow = is_seconds || age.kind == AgeKind::Date;
        let is_date = matches!(age.kind, AgeKind::Date | AgeKind::Date32);
        if is_date && instants.iter().any(|instant| instant == bare) {
            return Some(Self::Day);
        }
        let narrow = OF_NARROW.iter().filter(|_| is_narrow);
        let seconds = OF_SECONDS.iter().filter(|_| is_seconds);
        let mut known = OF_ANY.iter().chain(narrow).chain(seconds);
        let means = |template: &str| {
            let mut written = instants
                .iter()
                .map(|instant| template.replace('?', instant));
            written.any(|written| written == bare)
        };
        known
            .find(|(template, _)| means(template))
            .map(|(_, period)| *period)
    }

    /// The interval `[from, to)` in Unix milliseconds outside of which no row of a partition can
    /// lie, in whichever zone its key was computed; nothing for partitions of 1970 and before, where
    /// rows without an age are, and for a value that is none.
    ///
    /// ```
    /// use ebbtide::Period;
    /// let day = 86_400_000;
    /// assert_eq!(Period::Day.span_ms("1970-01-11"), None);
    /// assert_eq!(Period::Week.span_ms("19710101"), Some((364 * day, 373 * day)));
    /// assert_eq!(Period::Month.span_ms("197101"), Some((364 * day, 397 * day)));
    /// ```
    pub fn span_ms(self, value: &str) -> Option<(i64, i64)> {
        let first = first_day(value)?;
        let length: Span = match self {
            Self::Day => 1.day(),
            Self::Week => 7.days(),
            Self::Month => 1.month(),
        };
        let ms = |day: Date| {
            let midnight = day.to_zoned(TimeZone::UTC).ok()?;
            Some(midnight.timestamp().as_millisecond())
        };
        let from_ms = ms(first)?.checked_sub(MARGIN_MS)?;
        let to_ms = ms(first.checked_add(length).ok()?)?.checked_add(MARGIN_MS)?;
        (first >= date(1971, 1, 1)).then_some((from_ms, to_ms))
    }
}

/// `20260921`, `202609`, `2026-09-21` or `2026-09-21 00:00:00`.
fn first_day(value: &str) -> Option<Date> {
    let day = value.split(' ').next()?;
    let digits: String = day.chars().filter(|letter| *letter != '-').collect();
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let day = match digits.len() {
        6 => 1,
        8 => number(6, 8)?,
        _ => return None,
    };
    Date::new(year, number(4, 6)?, day).ok()
}

/// Every way to write the instant of a row in a key.
fn instants(schema: &TableSchema, age: &AgeColumn) -> Vec<String> {
    let name = &age.name;
    let names = [name.clone(), format!("`{name}`")];
    if !matches!(age.kind, AgeKind::UuidText | AgeKind::Uuid) {
        return names.into();
    }
    let mut found: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let id = (age.kind == AgeKind::Uuid).then(|| name.clone());
            let ids = id.into_iter().chain([format!("toUUID({name})")]);
            ids.flat_map(|id| {
                [
                    format!("UUIDv7ToDateTime({id})"),
                    format!("UUIDv7ToDateTime({id}, 'UTC')"),
                ]
            })
        })
        .collect();
    // Nobody can insert another value into such a column; one of 32 bits would wrap in 2106.
    let generated = schema.columns.iter().filter(|column| {
        let is_instant = |made_by: &String| found.contains(made_by);
        column.type_name.starts_with("DateTime64")
            && column.made_by.as_ref().is_some_and(is_instant)
    });
    let generated: Vec<String> = generated
        .flat_map(|column| [column.name.clone(), format!("`{}`", column.name)])
        .collect();
    found.extend(generated);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Column;

    fn check(key: &str, kind: AgeKind, expected: Option<Period>) {
        let column = |name: &str, type_name: &str, made_by: Option<&str>| Column {
            name: name.into(),
            type_name: type_name.into(),
            made_by: made_by.map(str::to_owned),
        };
        let of_id = Some("UUIDv7ToDateTime(toUUID(id))");
        let schema = TableSchema {
            partition_key: key.into(),
            columns: vec![
                column("id", "FixedString(36)", None),
                column("id_at", "DateTime64(0, 'UTC')", of_id),
                column("short_at", "DateTime('UTC')", of_id),
                column("free_at", "DateTime64(0, 'UTC')", None),
                column(
                    "trace_at",
                    "DateTime64(0)",
                    Some("UUIDv7ToDateTime(toUUID(trace_id))"),
                ),
            ],
            ..TableSchema::default()
        };
        let is_id = matches!(kind, AgeKind::UuidText | AgeKind::Uuid);
        let age = AgeColumn {
            name: if is_id { "id" } else { "at" }.into(),
            kind,
        };
        assert_eq!(Period::of(&schema, &age), expected, "{key} of {kind:?}");
    }

    #[test]
    fn keys_that_are_functions_of_the_age_are_understood() {
        let week = "toYYYYMMDD(toDate32(id_at) - toIntervalDay(toDayOfWeek(id_at, 1)))";
        for (key, kind, period) in [
            (week, AgeKind::UuidText, Period::Week),
            (
                "toYYYYMM(UUIDv7ToDateTime(toUUID(id)))",
                AgeKind::UuidText,
                Period::Month,
            ),
            (
                "toYYYYMM(UUIDv7ToDateTime(id))",
                AgeKind::Uuid,
                Period::Month,
            ),
            ("toYYYYMMDD(`id_at`)", AgeKind::UuidText, Period::Day),
            ("toYYYYMM(at)", AgeKind::DateTime64, Period::Month),
            ("(toYYYYMM(at))", AgeKind::DateTime, Period::Month),
            ("toDate32(at)", AgeKind::DateTime64, Period::Day),
            ("toMonday(at)", AgeKind::DateTime, Period::Week),
            ("toStartOfWeek(at, 1)", AgeKind::Date, Period::Week),
            ("toStartOfDay(at)", AgeKind::DateTime, Period::Day),
            ("at", AgeKind::Date, Period::Day),
        ] {
            check(key, kind, Some(period));
        }
    }

    #[test]
    fn keys_under_which_a_row_of_another_time_could_lie_are_not_understood() {
        for (key, kind) in [
            ("toDate(at)", AgeKind::DateTime64),
            ("toStartOfDay(at)", AgeKind::Date),
            ("toStartOfDay(at)", AgeKind::DateTime64),
            ("toMonday(at)", AgeKind::Date32),
            ("toStartOfMonth(id_at)", AgeKind::UuidText),
            ("toYYYYMM(short_at)", AgeKind::UuidText),
            ("toYYYYMM(free_at)", AgeKind::UuidText),
            ("toYYYYMM(trace_at)", AgeKind::UuidText),
            ("toYYYYMM(other)", AgeKind::DateTime),
            ("(w, toYYYYMM(at))", AgeKind::DateTime),
            ("(toYYYYMM(at), w)", AgeKind::DateTime),
            ("at", AgeKind::DateTime),
            ("", AgeKind::DateTime),
        ] {
            check(key, kind, None);
        }
    }

    #[test]
    fn a_value_that_is_no_day_has_no_span() {
        for value in [
            "",
            "1970-01-01",
            "19691229",
            "2026-13-01",
            "2026",
            "w1",
            "20261121a",
            "-1",
        ] {
            assert_eq!(Period::Day.span_ms(value), None, "{value}");
        }
        let starts = Period::Day.span_ms("2026-09-21 00:00:00");
        assert_eq!(starts, Period::Day.span_ms("20260921"));
    }
}
