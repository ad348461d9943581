//! Rows whose age no rule means as it stands: none at all, of the epoch, or far in the future.

use super::finding::{Code, Findings};
use crate::cli::output::grouped;
use crate::target::{AgeColumn, AgeKind, CheckedTarget};
use crate::warehouse::AgeCounts;

const NO_AGE: &str = "no rule ever deletes rows without an age: age the table by another column, or \
                      delete them yourself";

/// No row with an age is older: 1971-01-01, in Unix milliseconds.
pub(super) const BEFORE_ANY_MS: i64 = 31_536_000_000;
/// To read the ages of fewer rows takes no time.
const MANY_ROWS: u64 = 1_000_000;

/// Whether old rows are told from young ones without reading them: how many are read to find that
/// none is older than any.
pub(super) fn index(target: &CheckedTarget, n_rows: u64, findings: &mut Findings) {
    if n_rows < MANY_ROWS {
        return;
    }
    let (table, column) = (&target.table, &target.age.name);
    findings.info(
        Code::AgeWithoutIndex,
        table,
        format!(
            "neither partitions nor an index tell old rows from young ones: to find what is expired, \
             every cycle reads {column} of {} rows",
            grouped(n_rows)
        ),
        format!(
            "ALTER TABLE {table} ADD INDEX age {column} TYPE minmax GRANULARITY 1; then, for the rows \
             that are there, ALTER TABLE {table} MATERIALIZE INDEX age. It helps where rows of about one \
             age lie together, as in partitions by time"
        ),
    );
}

pub(super) fn check(table: &str, age: &AgeColumn, counts: AgeCounts, findings: &mut Findings) {
    let of_all = |n_rows| {
        format!(
            "{} of {} rows",
            grouped(n_rows),
            grouped(counts.ebbtide_rows)
        )
    };
    let column = &age.name;
    match age.kind {
        AgeKind::UuidText | AgeKind::Uuid => ids(table, column, counts, findings),
        AgeKind::Date | AgeKind::Date32 | AgeKind::DateTime | AgeKind::DateTime64
            if counts.ebbtide_undatable > 0 =>
        {
            let unset = of_all(counts.ebbtide_undatable);
            let message = format!("{unset} have a {column} that was never set");
            findings.warn(Code::UnsetTimes, table, message, NO_AGE);
        }
        _ => {}
    }
    let mut dated = Vec::new();
    if counts.ebbtide_1970 > 0 {
        dated.push(format!("{} in 1970 or before", of_all(counts.ebbtide_1970)));
    }
    if counts.ebbtide_future > 0 {
        let ahead = of_all(counts.ebbtide_future);
        dated.push(format!("{ahead} more than a day ahead{}", years(counts)));
    }
    if !dated.is_empty() {
        findings.warn(
            Code::OddTimes,
            table,
            format!("{column} dates {}", dated.join(", and ")),
            "any finite rule deletes rows of 1970 at once, and rows ahead only when their time has \
             come: look at them, mend what writes them, and hold those that are wanted",
        );
    }
}

/// The years that wrong units and overflows end up in.
fn years(counts: AgeCounts) -> String {
    let years = [
        (counts.ebbtide_2106, "2106"),
        (counts.ebbtide_2299, "2299"),
        (counts.ebbtide_9999, "9999"),
    ];
    let years = years.into_iter().filter(|(n_rows, _)| *n_rows > 0);
    let years: Vec<String> = years
        .map(|(n_rows, year)| format!("{} in {year}", grouped(n_rows)))
        .collect();
    if years.is_empty() {
        String::new()
    } else {
        format!(" ({})", years.join(", "))
    }
}

fn ids(table: &str, column: &str, counts: AgeCounts, findings: &mut Findings) {
    let of_all = |n_rows| {
        format!(
            "{} of {} rows",
            grouped(n_rows),
            grouped(counts.ebbtide_rows)
        )
    };
    if counts.ebbtide_undatable > 0 {
        let empty = match counts.ebbtide_empty {
            0 => String::new(),
            n_empty => format!(" ({} of them nothing at all)", grouped(n_empty)),
        };
        let without = of_all(counts.ebbtide_undatable);
        let message = format!("{without} have no UUIDv7 in {column}{empty}");
        findings.warn(Code::NotVersion7, table, message, NO_AGE);
    }
    if counts.ebbtide_padded > 0 {
        let padded = of_all(counts.ebbtide_padded);
        findings.warn(
            Code::OddIds,
            table,
            format!("{padded} have something around the UUIDv7 in {column}, and so no age"),
            "write these ids anew without blanks, braces or quotes",
        );
    }
    if counts.ebbtide_upper > 0 {
        let upper = of_all(counts.ebbtide_upper);
        findings.warn(
            Code::OddIds,
            table,
            format!("{upper} have upper-case letters in {column}"),
            "write ids in lower case: these are aged right, but a `keep` finds them only in the same \
             spelling",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_found(kind: AgeKind, counts: AgeCounts, expected: &[(&str, &str)]) {
        let mut findings = Findings::default();
        let age = AgeColumn {
            name: "at".into(),
            kind,
        };
        check("spans", &age, counts, &mut findings);
        let found: Vec<_> = findings.0.iter().collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (code, part)) in found.into_iter().zip(expected) {
            assert_eq!(finding.code.as_str(), *code);
            assert!(finding.message.contains(part), "{}", finding.message);
        }
    }

    #[test]
    fn each_oddity_is_told_with_its_count() {
        let none = AgeCounts {
            ebbtide_rows: 9_000,
            ..AgeCounts::default()
        };
        check_found(AgeKind::Uuid, none, &[]);
        check_found(AgeKind::Date, none, &[]);
        let ids = AgeCounts {
            ebbtide_undatable: 1_200,
            ebbtide_empty: 7,
            ebbtide_padded: 1,
            ebbtide_upper: 2,
            ..none
        };
        check_found(
            AgeKind::UuidText,
            ids,
            &[
                (
                    "not-version-7",
                    "1,200 of 9,000 rows have no UUIDv7 in at (7 of them nothing at all)",
                ),
                ("odd-ids", "1 of 9,000 rows have something around"),
                ("odd-ids", "2 of 9,000 rows have upper-case"),
            ],
        );
        let unset = AgeCounts {
            ebbtide_undatable: 3,
            ..none
        };
        check_found(
            AgeKind::DateTime,
            unset,
            &[(
                "unset-times",
                "3 of 9,000 rows have a at that was never set",
            )],
        );
        let epoch = AgeCounts {
            ebbtide_1970: 4,
            ..none
        };
        check_found(
            AgeKind::DateTime64,
            epoch,
            &[("odd-times", "at dates 4 of 9,000 rows in 1970 or before")],
        );
        let ahead = AgeCounts {
            ebbtide_2106: 1,
            ebbtide_2299: 2,
            ebbtide_9999: 3,
            ebbtide_future: 8,
            ..none
        };
        check_found(
            AgeKind::UuidText,
            ahead,
            &[(
                "odd-times",
                "at dates 8 of 9,000 rows more than a day ahead (1 in 2106, 2 in 2299, 3 in 9999)",
            )],
        );
    }
}
