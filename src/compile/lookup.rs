//! The lookup shape: each row's bounds are found with `transform` on its workspace or project, so
//! that the cost does not grow with the number of distinct bounds.

use super::age::AgeSql;
use super::membership::{self, Membership};
use super::writer::Sql;
use crate::plan::Arm;
use crate::target::CheckedTarget;

/// At most four clauses: workspaces and projects, with and without a lower bound.
pub(super) fn write(target: &CheckedTarget, age: &AgeSql, arms: &[Arm], out: &mut Sql) {
    let clause = |by_project: bool, has_from: bool| -> Vec<&Arm> {
        arms.iter()
            .filter(|arm| arm.project().is_some() == by_project)
            .filter(|arm| arm.bounds.from_ms.is_some() == has_from)
            .collect()
    };
    let clauses = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(by_project, has_from)| clause(by_project, has_from));
    out.raw("(");
    out.list(
        clauses.iter().filter(|arms| !arms.is_empty()),
        "\n OR ",
        |out, arms| {
            out.raw("(");
            write_clause(target, age, arms, out);
            out.raw(")");
        },
    );
    out.raw(")");
}

fn write_clause(target: &CheckedTarget, age: &AgeSql, arms: &[&Arm], out: &mut Sql) {
    Membership::new(target, arms).write(out);
    let below = |arm: &Arm| arm.bounds.below_ms;
    let mut envelope = Sql::new();
    if age.envelope(
        arms.iter().map(|arm| below(arm)).max().unwrap_or(i64::MIN),
        &mut envelope,
    ) {
        out.raw("\n  AND ").sql(&envelope);
    }
    let from_ms = arms.iter().filter_map(|arm| arm.bounds.from_ms).min();
    let mut envelope = Sql::new();
    if from_ms.is_some_and(|from_ms| age.envelope_from(from_ms, &mut envelope)) {
        out.raw("\n  AND ").sql(&envelope);
    }
    out.raw("\n  AND ");
    age.value(out);
    out.raw(" < ");
    // The default is never used, since the clause names the same workspaces; it matches no row.
    transform(target, age, arms, below, i64::MIN, out);
    if arms.iter().any(|arm| arm.bounds.from_ms.is_some()) {
        out.raw("\n  AND ");
        age.value(out);
        out.raw(" >= ");
        transform(
            target,
            age,
            arms,
            |arm| arm.bounds.from_ms.unwrap_or(i64::MAX),
            i64::MAX,
            out,
        );
    }
}

/// `transform(key, [keys…], [bounds…], default)`.
fn transform(
    target: &CheckedTarget,
    age: &AgeSql,
    arms: &[&Arm],
    bound_ms: impl Fn(&Arm) -> i64,
    default_ms: i64,
    out: &mut Sql,
) {
    out.raw("transform(");
    let by_project = arms.first().and_then(|arm| arm.project()).is_some();
    match target.project.as_ref().filter(|_| by_project) {
        None => membership::name(&target.workspace, out),
        Some(project) => {
            // The length in front keeps the pair unambiguous, whatever the names contain.
            out.raw("concat(toString(length(");
            membership::name(&target.workspace, out);
            out.raw(")), ':', ");
            membership::name(&target.workspace, out);
            out.raw(", ");
            membership::name(project, out);
            out.raw(")");
        }
    }
    out.raw(", [");
    out.list(arms, ", ", |out, arm| {
        match arm.project() {
            None => out.text(&arm.workspace),
            Some(project) => out.text(&format!(
                "{}:{}{project}",
                arm.workspace.len(),
                arm.workspace
            )),
        };
    });
    out.raw("], [");
    out.list(arms, ", ", |out, arm| age.bound(bound_ms(arm), out));
    out.raw("], ");
    age.bound(default_ms, out);
    out.raw(")");
}
