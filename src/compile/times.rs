//! Stretches of time: what rows are grouped by to find out when they are from.

use super::age::AgeSql;
use super::writer::Sql;

/// Stretches of the same length, from the first instant of 1970 on, in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times<'a> {
    /// How long each is, in milliseconds.
    pub(crate) width_ms: i64,
    /// Only those inside of longer ones: how long these are, and where each begins.
    pub(crate) only: Option<(i64, &'a [i64])>,
}

impl Times<'_> {
    /// The instant, in Unix milliseconds, at which the stretch of a datable row begins.
    pub(super) fn write(self, age: &AgeSql, out: &mut Sql) {
        begin_ms(age, self.width_ms, out);
    }

    /// `\nAND … IN (…)`, or nothing.
    pub(super) fn write_only(self, age: &AgeSql, out: &mut Sql) {
        let Some((width_ms, begins)) = self.only else {
            return;
        };
        out.raw("\nAND ");
        begin_ms(age, width_ms, out);
        out.raw(" IN (");
        out.list(begins, ", ", |out, begin| {
            out.number(*begin);
        });
        out.raw(")");
    }
}

/// Division rounds towards zero, so it is not what tells stretches before 1970 apart.
fn begin_ms(age: &AgeSql, width_ms: i64, out: &mut Sql) {
    let mut instant = Sql::new();
    age.instant_ms(&mut instant);
    out.raw("toInt64(assumeNotNull(").sql(&instant);
    out.raw(" - positiveModulo(").sql(&instant).raw(", ");
    out.number(width_ms).raw(")))");
}
