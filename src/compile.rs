//! The compiler: arms in, SQL out. The only place that makes SQL for deletes, and for the probes
//! that count what a delete would take.
//!
//! Invariant: a probe and a delete of the same arms have the same predicate, and all three shapes
//! of the predicate match the same rows.
//!
//! ```text
//! predicate := shape AND [datable] AND [NOT keep]
//! shape     := in      membership AND bounds                    one pair of bounds
//!            | or      (membership AND bounds) OR …             a few
//!            | lookup  membership AND age < transform(key, …)   many
//! ```

mod age;
mod ages;
mod keep;
mod lookup;
mod membership;
mod packed;
mod quarantine;
mod times;
mod whole;
mod within;
mod writer;

use std::sync::Arc;

use serde::Serialize;

use self::age::AgeSql;
use self::keep::Keeps;
use self::membership::Membership;
use self::packed::group_by_bounds;
use self::writer::{Sql, literal_len};
use crate::cutoff::Bounds;
use crate::plan::{Arm, Method, Step};
use crate::target::{CheckedTarget, QuarantineTable};

pub(crate) use self::ages::ages;
pub(crate) use self::quarantine::{
    bring_back, create_quarantine, drop_quarantine, drop_quarantined,
};
pub(crate) use self::times::Times;
pub(crate) use self::whole::drop_parts;
pub use self::whole::strays;
pub use self::within::Within;
pub use self::writer::literal;

/// Up to so many distinct bounds are written as OR clauses, more as a lookup. On 6 M rows, 10 OR
/// clauses cost as much as one `IN`, 50 more than a lookup of 500.
pub(crate) const MAX_OR_CLAUSES: usize = 10;

/// The shape of a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// All arms have the same bounds: `workspace IN (…) AND age < …`.
    In,
    /// A few bounds: one clause for each, joined by OR.
    Or,
    /// Many bounds: each workspace's are looked up with `transform`.
    Lookup,
    /// No predicate: whole partitions.
    Whole,
}

impl Shape {
    /// The cheapest shape for a number of distinct bounds.
    pub fn for_bounds(distinct: usize) -> Self {
        match distinct {
            0 | 1 => Self::In,
            2..=MAX_OR_CLAUSES => Self::Or,
            _ => Self::Lookup,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Or => "or",
            Self::Lookup => "lookup",
            Self::Whole => "whole",
        }
    }
}

/// The SQL of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The shape of its predicate.
    pub shape: Shape,
    /// Settings that the statement needs, sent beside it.
    pub settings: Vec<(&'static str, &'static str)>,
    /// Whether it becomes a mutation, which the server lists with its predicate.
    #[serde(skip)]
    pub is_mutation: bool,
    /// Where the predicate begins.
    #[serde(skip)]
    predicate_at: usize,
    /// What the statement says before WHERE, as a condition.
    #[serde(skip)]
    within: String,
}

impl Statement {
    /// The text after WHERE, and the partition before it as one more condition: what a SELECT
    /// counts the same rows by.
    pub fn predicate(&self) -> String {
        self.sql
            .get(self.predicate_at..)
            .unwrap_or_default()
            .to_owned()
            + &self.within
    }
}

/// The SQL that counts what a delete would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The text.
    pub sql: String,
    /// Whether it counts per project; otherwise the project of its rows is empty.
    pub by_project: bool,
}

/// Compiles the lightweight DELETE for arms of one table. `marker` becomes part of the predicate
/// as a condition that is always true: `system.mutations` shows the predicate, and so which
/// mutation is ours.
///
/// ```
/// use ebbtide::{AgeColumn, AgeKind, Arm, Bounds, CheckedTarget, NameColumn, Projects, TextKind, Ways, compile};
/// let name = |name: &str| NameColumn { name: name.into(), kind: TextKind::String, nullable: false };
/// let target = CheckedTarget {
///     database: "default".into(),
///     table: "traces".into(),
///     workspace: name("workspace_id"),
///     project: None,
///     age: AgeColumn { name: "id".into(), kind: AgeKind::UuidText },
///     keep: vec![],
///     ways: Ways::default(),
/// };
/// let arm = Arm {
///     workspace: "it's".into(),
///     projects: Projects::Except([].into()),
///     bounds: Bounds { below_ms: 1_790_035_200_000, from_ms: None },
///     rule: None,
///     piece: 0,
///     cut_from: None,
///     lag_s: 0,
///     n_due: 1,
///     n_kept: 0,
/// };
/// let statement = compile(&target, &[arm], "ebbtide:retention:traces:1");
/// assert!(statement.sql.contains(r"`workspace_id` IN ('it\'s')"));
/// ```
pub fn compile(target: &CheckedTarget, arms: &[Arm], marker: &str) -> Statement {
    let shape = Shape::for_bounds(group_by_bounds(arms).len());
    compile_as(shape, target, arms, marker)
}

/// Compiles the statement of a step, with its own arms or fewer. Where whole partitions go it is one
/// to read: what is sent names their parts.
pub fn compile_step(target: &CheckedTarget, step: &Step, arms: &[Arm], marker: &str) -> Statement {
    let shape = Shape::for_bounds(group_by_bounds(arms).len());
    match step.method {
        Method::Lightweight => delete(shape, target, arms, &step.partitions, marker),
        Method::Patch => {
            let mut statement = delete(shape, target, arms, &step.partitions, marker);
            // Refused where the table takes no patches, instead of a mutation that nobody chose.
            let mode = ("lightweight_delete_mode", "lightweight_update_force");
            statement.settings.push(mode);
            statement.is_mutation = false;
            statement
        }
        Method::Partition if target.ways.quarantine.is_some() => {
            let kept_in = QuarantineTable::of_step(marker);
            quarantine::move_partitions(target, &step.partitions, &kept_in)
        }
        Method::Partition => whole::drop_partitions(target, &step.partitions),
    }
}

/// [`compile`] with the shape given, for comparing shapes. [`Shape::In`] falls back to
/// [`Shape::Or`] where bounds differ, since one pair of bounds could not serve all arms.
pub fn compile_as(shape: Shape, target: &CheckedTarget, arms: &[Arm], marker: &str) -> Statement {
    delete(shape, target, arms, &[], marker)
}

/// One DELETE takes one partition, or the table.
fn delete(
    shape: Shape,
    target: &CheckedTarget,
    arms: &[Arm],
    partitions: &[Arc<str>],
    marker: &str,
) -> Statement {
    let mut sql = Sql::new();
    sql.raw("DELETE FROM ");
    table(target, &mut sql);
    let mut within = Sql::new();
    if let [partition] = partitions {
        sql.raw(" IN PARTITION ID ").text(partition);
        Within::Only(partitions).write(&mut within);
    }
    sql.raw("\nWHERE ");
    let predicate_at = sql.len();
    let shape = predicate(shape, target, arms, &mut sql);
    let keeps = Keeps::new(target, arms);
    keeps.write_none(&mut sql);
    if partitions.len() > 1 {
        Within::Only(partitions).write(&mut sql);
    }
    sql.raw("\nAND ").text(marker).raw(" != ''");
    // The server demands it for subqueries in mutations of replicated tables. Every replica
    // evaluates the subquery by itself; rows inserted meanwhile can only be kept, never deleted.
    let settings = if keeps.is_empty() {
        vec![]
    } else {
        vec![("allow_nondeterministic_mutations", "1")]
    };
    Statement {
        sql: sql.into_string(),
        shape,
        settings,
        is_mutation: true,
        predicate_at,
        within: within.into_string(),
    }
}

/// Compiles the probes for the same arms: what a delete of them would take, per workspace or
/// project, and what `keep` protects. Workspace policies and project policies are counted apart,
/// so there are one or two texts.
///
/// A partitioned table is counted partition by partition.
///
/// Columns: `ebbtide_workspace String, ebbtide_project String, ebbtide_partition String,
/// ebbtide_due UInt64, ebbtide_kept UInt64, ebbtide_oldest_ms Nullable(Int64)`; the last is the age
/// of the oldest row that would go.
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
    extreme_ms(target, "minOrNullIf(", &keeps, &mut sql);
    sql.raw(" AS ebbtide_oldest_ms");
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
    extreme_ms(target, "minOrNullIf(", &keeps, &mut sql);
    sql.raw(" AS ebbtide_oldest_ms,\n  ");
    extreme_ms(target, "maxOrNullIf(", &keeps, &mut sql);
    sql.raw(" AS ebbtide_newest_ms,\n  groupUniqArrayIf(toString(_part), ");
    keeps.write_unprotected(&mut sql);
    sql.raw(") AS ebbtide_parts\nFROM ");
    table(target, &mut sql);
    sql.raw("\nWHERE ");
    let shape = Shape::for_bounds(group_by_bounds(arms).len());
    predicate(shape, target, arms, &mut sql);
    sql.into_string()
}

/// The age of the oldest or newest of the rows that nothing protects.
fn extreme_ms(target: &CheckedTarget, function: &'static str, keeps: &Keeps<'_>, out: &mut Sql) {
    let mut unprotected = Sql::new();
    keeps.write_unprotected(&mut unprotected);
    extreme_of(target, function, &unprotected, out);
}

/// The age of the oldest or newest of the rows that satisfy a condition.
fn extreme_of(target: &CheckedTarget, function: &'static str, condition: &Sql, out: &mut Sql) {
    AgeSql::new(&target.age).extreme_ms(function, condition, out);
}

/// Compiles the census: which workspaces a table holds, how many rows, and how old the oldest is.
/// Rows dated after `future_ms` (Unix milliseconds) count as future. With `about` only rows of that interval
/// are read, as far as indexes and partitions tell them apart.
///
/// Columns: `ebbtide_workspace String, ebbtide_readable UInt8, ebbtide_rows UInt64,
/// ebbtide_undatable UInt64, ebbtide_future UInt64, ebbtide_oldest_ms Nullable(Int64)`.
pub fn census(target: &CheckedTarget, future_ms: i64, about: Option<Bounds>) -> String {
    let age = AgeSql::new(&target.age);
    let mut name = Sql::new();
    membership::selected(&target.workspace, &mut name);
    let mut sql = Sql::new();
    sql.raw("SELECT if(isValidUTF8(")
        .sql(&name)
        .raw("), ")
        .sql(&name);
    sql.raw(", hex(")
        .sql(&name)
        .raw(")) AS ebbtide_workspace, isNotNull(")
        .identifier(&target.workspace.name);
    sql.raw(") AND isValidUTF8(").sql(&name);
    sql.raw(") AS ebbtide_readable,\n  count() AS ebbtide_rows, toUInt64(count() - countIf(");
    age.datable(&mut sql);
    sql.raw(")) AS ebbtide_undatable,\n  countIf(");
    age.value(&mut sql);
    sql.raw(" >= ");
    age.bound(future_ms, &mut sql);
    sql.raw(" AND ");
    age.datable(&mut sql);
    sql.raw(") AS ebbtide_future,\n  ");
    age.oldest_ms(&mut sql);
    sql.raw(" AS ebbtide_oldest_ms\nFROM ");
    table(target, &mut sql);
    if let Some(bounds) = about {
        sql.raw("\nWHERE ");
        age.about(bounds, &mut sql);
    }
    sql.raw("\nGROUP BY ").identifier(&target.workspace.name);
    sql.into_string()
}

/// Compiles the count of a table.
pub(crate) fn count(target: &CheckedTarget) -> String {
    let mut sql = Sql::new();
    sql.raw("SELECT count() FROM ");
    table(target, &mut sql);
    sql.into_string()
}

/// Writes what expired rows of the arms satisfy; returns the shape that was used.
fn predicate(shape: Shape, target: &CheckedTarget, arms: &[Arm], out: &mut Sql) -> Shape {
    let age = AgeSql::new(&target.age);
    let groups = group_by_bounds(arms);
    let shape = if shape == Shape::In && groups.len() > 1 {
        Shape::Or
    } else {
        shape
    };
    match (shape, groups.as_slice()) {
        // No arm, no row: never an empty condition that would match everything.
        (_, []) => {
            out.raw("0");
        }
        (Shape::In, [(bounds, arms), ..]) => {
            Membership::new(target, arms).write(out);
            out.raw("\nAND ");
            age.between(*bounds, out);
        }
        (Shape::Or | Shape::Whole, groups) => packed::write(target, &age, groups, out),
        (Shape::Lookup, _) => lookup::write(target, &age, arms, out),
    }
    out.raw("\nAND ");
    age.datable(out);
    shape
}

fn table(target: &CheckedTarget, out: &mut Sql) {
    out.identifier(&target.database)
        .raw(".")
        .identifier(&target.table);
}

/// Counts what is left under the predicate of a statement that the compiler made before, as
/// [`Statement::predicate`] returned it.
pub(crate) fn recount(database: &str, table: &str, predicate: &str) -> String {
    let mut sql = Sql::new();
    sql.raw("SELECT count() AS ebbtide_left FROM ")
        .identifier(database)
        .raw(".")
        .identifier(table)
        .raw("\nWHERE ");
    sql.into_string() + predicate
}

/// An upper bound for the bytes that an arm adds to a statement, whatever its shape.
pub(crate) fn encoded_len(arm: &Arm, target: &CheckedTarget) -> usize {
    // The longest bound, `toDateTime64('2026-09-22 00:00:00.000', 3, 'UTC')`, and its comma.
    const BOUND: usize = 52;
    // Brackets, commas, spaces, and the length prefix of a lookup key.
    const PUNCTUATION: usize = 16;
    let workspace = literal_len(&arm.workspace) + PUNCTUATION;
    let with = |project: &str| workspace + literal_len(project) + PUNCTUATION;
    let key = arm.project().map_or(workspace, |project| with(project));
    let exceptions: usize = arm.exceptions().iter().map(|project| with(project)).sum();
    let n_bounds = 1 + usize::from(arm.bounds.from_ms.is_some());
    let n_keys = 1 + n_bounds;
    key * n_keys + n_bounds * BOUND + exceptions + workspace * target.keep.len()
}

/// An upper bound for the bytes of a statement beside its arms.
pub(crate) fn frame_len(target: &CheckedTarget) -> usize {
    // Each identifier occurs a bounded number of times, in each of the clauses of the OR shape.
    let clauses = 4 * (MAX_OR_CLAUSES + 4);
    let identifiers = [
        &target.database,
        &target.table,
        &target.workspace.name,
        &target.age.name,
    ]
    .into_iter()
    .chain(target.project.as_ref().map(|column| &column.name))
    .map(|name| 2 * name.len() + 3)
    .sum::<usize>();
    let keeps: usize = target
        .keep
        .iter()
        .map(|keep| {
            let clause = &keep.keep;
            1_000
                + 8 * (clause.column.len() + clause.in_table.len() + clause.in_column.len())
                + 8 * clause.in_workspace.len()
        })
        .sum();
    clauses * (identifiers + 100) + keeps + 1_000
}
