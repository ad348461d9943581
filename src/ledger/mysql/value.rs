//! Columns and instants as the driver hands them over.

use jiff::Timestamp;
use mysql_async::prelude::FromValue;
use mysql_async::{Row, Value};

use crate::ledger::row::Malformed;

/// The value of a column; unlike the driver's own conversion it does not panic.
pub(super) fn column<T: FromValue>(row: &mut Row, index: usize) -> Result<T, Malformed> {
    let value = row.take::<Value, _>(index);
    value
        .and_then(|value| mysql_async::from_value_opt(value).ok())
        .ok_or_else(|| Malformed(format!("column {index} of the result cannot be read")))
}

pub(super) fn instant_value(at: Timestamp) -> Value {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    let year = u16::try_from(at.year()).unwrap_or(0);
    let microseconds = u32::try_from(at.subsec_nanosecond() / 1_000).unwrap_or(0);
    let (hour, minute, second) = (small(at.hour()), small(at.minute()), small(at.second()));
    Value::Date(
        year,
        small(at.month()),
        small(at.day()),
        hour,
        minute,
        second,
        microseconds,
    )
}

pub(super) fn instant(row: &mut Row, index: usize) -> Result<Timestamp, Malformed> {
    optional_instant(row, index)?
        .ok_or_else(|| Malformed(format!("column {index} of the result is NULL")))
}

pub(super) fn optional_instant(
    row: &mut Row,
    index: usize,
) -> Result<Option<Timestamp>, Malformed> {
    let wrong = || Malformed(format!("column {index} of the result is no instant"));
    let value = column::<Value>(row, index)?;
    let Value::Date(year, month, day, hour, minute, second, microsecond) = value else {
        return if value == Value::NULL {
            Ok(None)
        } else {
            Err(wrong())
        };
    };
    let year = i16::try_from(year).map_err(|_| wrong())?;
    let small = |number: u8| i8::try_from(number).map_err(|_| wrong());
    let nanosecond = i32::try_from(microsecond)
        .map_err(|_| wrong())?
        .saturating_mul(1_000);
    let date = (small(month)?, small(day)?);
    let (hour, minute, second) = (small(hour)?, small(minute)?, small(second)?);
    jiff::civil::DateTime::new(year, date.0, date.1, hour, minute, second, nanosecond)
        .and_then(|at| jiff::tz::TimeZone::UTC.to_timestamp(at))
        .map(Some)
        .map_err(|_| wrong())
}
