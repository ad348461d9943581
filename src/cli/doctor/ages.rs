//! Rows whose age no rule means as it stands: none at all, of the epoch, or far in the future.

use super::finding::{Code, Findings};
use crate::cli::output::{counted, grouped};
use crate::target::{AgeColumn, AgeKind};
use crate::warehouse::AgeCounts;

pub(super) fn check(table: &str, age: &AgeColumn, counts: AgeCounts, findings: &mut Findings) {
    let column = &age.name;
    match age.kind {
        AgeKind::UuidText | AgeKind::Uuid => ids(table, column, counts, findings),
        AgeKind::Date | AgeKind::Date32 | AgeKind::DateTime | AgeKind::DateTime64 => {
            unset(table, column, counts, findings);
        }
    }
    let years = [
        (counts.ebbtide_1970, "in 1970 or before"),
        (counts.ebbtide_2106, "in 2106"),
        (counts.ebbtide_2299, "in 2299"),
        (counts.ebbtide_9999, "in 9999"),
        (counts.ebbtide_future, "more than a day ahead in all"),
    ];
    let years = years.into_iter().filter(|(n_rows, _)| *n_rows > 0);
    let years: Vec<String> = years
        .map(|(n_rows, when)| format!("{} {when}", grouped(n_rows)))
        .collect();
    if years.is_empty() {
        return;
    }
    let mut effect = Vec::new();
    if counts.ebbtide_1970 > 0 {
        effect.push("any finite rule deletes those of 1970 at once");
    }
    if counts.ebbtide_future > 0 {
        effect.push("none deletes those ahead before their time has come");
    }
    findings.warn(
        Code::OddTimes,
        table,
        format!(
            "of {}, {column} dates {}: {}",
            counted(counts.ebbtide_rows, "row"),
            years.join(", "),
            effect.join(", and ")
        ),
        "look at these rows, and mend what writes them; hold their workspaces if they are wanted",
    );
}

fn ids(table: &str, column: &str, counts: AgeCounts, findings: &mut Findings) {
    if counts.ebbtide_undatable > 0 {
        let empty = match counts.ebbtide_empty {
            0 => String::new(),
            n_empty => format!(" ({} of them empty)", grouped(n_empty)),
        };
        findings.warn(
            Code::NotVersion7,
            table,
            format!(
                "of {}, {} have no UUIDv7 in {column}{empty}: they have no age, and no rule ever \
                 deletes them",
                counted(counts.ebbtide_rows, "row"),
                grouped(counts.ebbtide_undatable)
            ),
            "age the table by another column, or delete these rows yourself",
        );
    }
    if counts.ebbtide_padded > 0 {
        findings.warn(
            Code::OddIds,
            table,
            format!(
                "{} have a UUIDv7 in {column} with something around it, such as blanks or braces: \
                 they count as ids without an age",
                counted(counts.ebbtide_padded, "row")
            ),
            "write these ids anew without it",
        );
    }
    if counts.ebbtide_upper > 0 {
        findings.warn(
            Code::OddIds,
            table,
            format!(
                "{} have upper-case letters in {column}: they are aged right, but another table's \
                 reference in lower case keeps none of them",
                counted(counts.ebbtide_upper, "row")
            ),
            "write ids in lower case",
        );
    }
}

fn unset(table: &str, column: &str, counts: AgeCounts, findings: &mut Findings) {
    if counts.ebbtide_undatable > 0 {
        findings.warn(
            Code::UnsetTimes,
            table,
            format!(
                "of {}, {} have a {column} that was never set: they have no age, and no rule ever \
                 deletes them",
                counted(counts.ebbtide_rows, "row"),
                grouped(counts.ebbtide_undatable)
            ),
            "age the table by another column, or delete these rows yourself",
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
    fn each_oddity_is_told_with_its_count_and_its_effect() {
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
                    "9,000 rows, 1,200 have no UUIDv7 in at (7 of them empty)",
                ),
                ("odd-ids", "1 row have a UUIDv7"),
                ("odd-ids", "2 rows have upper-case"),
            ],
        );
        let unset = AgeCounts {
            ebbtide_undatable: 3,
            ..none
        };
        check_found(
            AgeKind::DateTime,
            unset,
            &[("unset-times", "3 have a at that")],
        );
        let epoch = AgeCounts {
            ebbtide_1970: 4,
            ..none
        };
        check_found(
            AgeKind::DateTime64,
            epoch,
            &[(
                "odd-times",
                "4 in 1970 or before: any finite rule deletes those of 1970 at once",
            )],
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
                "1 in 2106, 2 in 2299, 3 in 9999, 8 more than a day ahead in all: none",
            )],
        );
    }
}
