//! What a delete of arms would take, before it takes it.

use super::age::AgeSql;
use super::keep::Keeps;
use super::membership;
use super::packed::group_by_bounds;
use super::predicate::{ages_of, predicate, table};
use super::shape::Shape;
use super::times::Times;
use super::within::Within;
use super::writer::Sql;
use crate::plan::Arm;
use crate::target::CheckedTarget;

/// The SQL that counts what a delete would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The text.
    pub sql: String,
    /// Whether it counts per project; otherwise the project of its rows is empty.
    pub by_project: bool,
}

/// Compiles the probes for the same arms: what a delete of them would take, per workspace or
/// project, and what `keep` protects. Workspace policies and project policies are counted apart,
/// so there are one or two texts.
///
/// A partitioned table is counted partition by partition.
///
/// Columns: `ebbtide_workspace String, ebbtide_project String, ebbtide_partition String,
/// ebbtide_due UInt64, ebbtide_kept UInt64, ebbtide_oldest_ms Nullable(Int64), ebbtide_newest_ms
/// Nullable(Int64)`; the last two are the ages of the oldest and the newest row that would go.
pub fn probe(target: &CheckedTarget, arms: &[Arm], within: Within<'_>) -> Vec<Probe> {
    let (projects, workspaces): (Vec<Arm>, Vec<Arm>) = arms
        .iter()
        .cloned()
        .partition(|arm| arm.project().is_some());
    [(workspaces, false), (projects, true)]
        .into_iter()
        .filter(|(arms, _)| !arms.is_empty())
        .map(|(arms, by_project)| Probe {
            sql: probe_one(target, &arms, by_project, within, None),
            by_project,
        })
        .collect()
}

/// Compiles the count of when the rows of arms are from that a delete of them would take: a probe
/// with one more column, `ebbtide_from_ms Int64`, where a stretch of time begins. All arms are of
/// workspaces, or all of projects.
pub(crate) fn histogram(
    target: &CheckedTarget,
    arms: &[Arm],
    within: Within<'_>,
    times: Times<'_>,
) -> String {
    let by_project = arms.iter().any(|arm| arm.project().is_some());
    probe_one(target, arms, by_project, within, Some(times))
}

fn probe_one(
    target: &CheckedTarget,
    arms: &[Arm],
    by_project: bool,
    within: Within<'_>,
    times: Option<Times<'_>>,
) -> String {
    let keeps = Keeps::new(target, arms);
    let age = AgeSql::new(&target.age);
    let project = target.project.as_ref().filter(|_| by_project);
    let mut sql = Sql::new();
    sql.raw("SELECT ");
    membership::selected(&target.workspace, &mut sql);
    sql.raw(" AS ebbtide_workspace, ");
    match project {
        Some(column) => membership::selected(column, &mut sql),
        None => {
            sql.text("");
        }
    }
    let by_partition = target.ways.is_partitioned;
    sql.raw(" AS ebbtide_project, ");
    sql.raw(if by_partition {
        "toString(_partition_id)"
    } else {
        "''"
    });
    sql.raw(" AS ebbtide_partition,\n  toUInt64(count() - ebbtide_kept) AS ebbtide_due, ");
    keeps.write_count(&mut sql);
    sql.raw(" AS ebbtide_kept,\n  ");
    ages(target, &keeps, &mut sql);
    if let Some(times) = times {
        sql.raw(",\n  ");
        times.write(&age, &mut sql);
        sql.raw(" AS ebbtide_from_ms");
    }
    sql.raw("\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE ");
    let shape = Shape::for_bounds(group_by_bounds(arms).len());
    predicate(shape, target, arms, &mut sql);
    within.write(&mut sql);
    if let Some(times) = times {
        times.write_only(&age, &mut sql);
    }
    sql.raw("\nGROUP BY ").identifier(&target.workspace.name);
    if let Some(column) = project {
        sql.raw(", ").identifier(&column.name);
    }
    if by_partition {
        sql.raw(", _partition_id");
    }
    if times.is_some() {
        sql.raw(", ebbtide_from_ms");
    }
    sql.into_string()
}

/// Compiles the preview of arms: one row about everything that a delete of them would take, with the
/// predicate that the delete would have.
///
/// Columns: `ebbtide_due UInt64, ebbtide_kept UInt64, ebbtide_oldest_ms Nullable(Int64),
/// ebbtide_newest_ms Nullable(Int64), ebbtide_parts Array(String)`; the parts hold rows that would
/// go.
pub fn preview(target: &CheckedTarget, arms: &[Arm]) -> String {
    let keeps = Keeps::new(target, arms);
    let mut sql = Sql::new();
    sql.raw("SELECT toUInt64(count() - ebbtide_kept) AS ebbtide_due, ");
    keeps.write_count(&mut sql);
    sql.raw(" AS ebbtide_kept,\n  ");
    ages(target, &keeps, &mut sql);
    sql.raw(",\n  groupUniqArrayIf(toString(_part), ");
    keeps.write_unprotected(&mut sql);
    sql.raw(") AS ebbtide_parts\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE ");
    let shape = Shape::for_bounds(group_by_bounds(arms).len());
    predicate(shape, target, arms, &mut sql);
    sql.into_string()
}

/// The ages of the oldest and the newest row that would go.
fn ages(target: &CheckedTarget, keeps: &Keeps<'_>, out: &mut Sql) {
    let mut unprotected = Sql::new();
    keeps.write_unprotected(&mut unprotected);
    ages_of(target, &unprotected, out);
}
