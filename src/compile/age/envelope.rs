//! Conditions that let the server skip parts and granules: the bare column against a constant, which
//! indexes understand.
//!
//! Invariant: they hold for at least every row of what they stand for.

use super::AgeSql;
use crate::compile::writer::Sql;
use crate::cutoff::smallest_id;
use crate::target::AgeKind;

/// So many of the letters of a bound are looked at one by one: enough for about an hour of precision.
const RANGES_OF_LETTERS: usize = 3;

impl AgeSql {
    /// A condition that prunes parts and granules and holds for at least every row below the
    /// instant: the bare column against a constant, which indexes understand. Whether it was
    /// written; nothing helps for `UUID`.
    pub(in crate::compile) fn envelope(&self, below_ms: i64, out: &mut Sql) -> bool {
        if self.kind == AgeKind::Uuid {
            return false;
        }
        // For text: upper case only lowers an id, so a row that is expired stays below.
        out.sql(&self.column).raw(" < ");
        self.bound(below_ms, out);
        true
    }

    /// The same for at least every row that is not below the instant.
    pub(in crate::compile) fn envelope_from(&self, from_ms: i64, out: &mut Sql) -> bool {
        if self.kind == AgeKind::Uuid {
            return false;
        }
        if self.kind == AgeKind::UuidText {
            self.envelope_from_id(&smallest_id(from_ms).to_string(), out);
        } else {
            out.sql(&self.column).raw(" >= ");
            self.bound(from_ms, out);
        }
        true
    }

    /// Upper case lowers an id: up to some letter it is like the bound, and there it has a letter in upper
    /// case. Such ids are in a range of their own for each of the first letters, and behind them together.
    fn envelope_from_id(&self, least: &str, out: &mut Sql) {
        let mut letters = least.match_indices(|letter: char| letter.is_ascii_lowercase());
        let before = |(at, _): (usize, &str)| least.get(..at).unwrap_or_default();
        let ranges: Vec<&str> = letters
            .by_ref()
            .take(RANGES_OF_LETTERS)
            .map(before)
            .collect();
        let rest = letters.next().map(|letter| format!("{}A", before(letter)));
        out.raw("(").sql(&self.column).raw(" >= ");
        out.text(rest.as_deref().unwrap_or(least));
        for begin in ranges {
            out.raw(" OR ").sql(&self.column).raw(" >= ");
            out.text(&format!("{begin}A"))
                .raw(" AND ")
                .sql(&self.column);
            out.raw(" < ").text(&format!("{begin}G"));
        }
        out.raw(")");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::AgeColumn;

    /// Whether an id satisfies an envelope: its conditions as they are written, one by one.
    fn satisfies(sql: &str, id: &str) -> bool {
        let inner = sql.trim_start_matches('(').trim_end_matches(')');
        inner.split(" OR ").any(|range| {
            range.split(" AND ").all(|condition| {
                let (operator, literal) = condition
                    .strip_prefix("`id` ")
                    .unwrap()
                    .split_once(' ')
                    .unwrap();
                let bound = literal.trim_matches('\'');
                if operator == ">=" {
                    id >= bound
                } else {
                    id < bound
                }
            })
        })
    }

    proptest! {
        #[test]
        fn no_id_that_is_not_below_is_outside_of_the_envelope(
            from_ms in 0_i64..(1 << 48), more in 0_i64..(1 << 40), upper: u64, fewer in 1_i64..(1 << 40),
        ) {
            let age = AgeSql::new(&AgeColumn { name: "id".into(), kind: AgeKind::UuidText });
            let mut sql = Sql::new();
            prop_assert!(age.envelope_from(from_ms, &mut sql));
            let sql = sql.into_string();
            let in_cases = |ms: i64| -> String {
                let id = smallest_id(ms).to_string();
                let letters = id.chars().enumerate();
                letters.map(|(at, letter)| {
                    if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
                }).collect()
            };
            for ms in [from_ms, from_ms + 1, from_ms + more] {
                prop_assert!(satisfies(&sql, &in_cases(ms)), "{} {}", sql, in_cases(ms));
            }
            // It is worth something: what is older by years, and in lower case, is not read.
            let older = from_ms - fewer - (1 << 36);
            prop_assume!(older >= 0);
            let older = smallest_id(older).to_string();
            prop_assert!(!satisfies(&sql, &older), "{} {}", sql, older);
        }
    }
}
