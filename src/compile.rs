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
mod census;
mod keep;
mod lookup;
mod membership;
mod packed;
mod predicate;
mod probe;
mod quarantine;
mod shape;
mod size;
mod times;
mod whole;
mod within;
mod writer;

use std::sync::Arc;

use serde::Serialize;

use self::keep::Keeps;
use self::packed::group_by_bounds;
use self::predicate::{predicate, table};
use self::writer::Sql;
use crate::plan::{Arm, Method, Step};
use crate::target::{CheckedTarget, QuarantineTable};

pub(crate) use self::ages::ages;
pub(crate) use self::census::recount;
pub use self::census::{About, Apart, census};
pub(crate) use self::probe::histogram;
pub use self::probe::{preview, probe};
pub(crate) use self::quarantine::{
    bring_back, create_quarantine, drop_quarantine, drop_quarantined,
};
pub use self::shape::Shape;
pub(crate) use self::size::{encoded_len, frame_len};
pub(crate) use self::times::Times;
pub(crate) use self::whole::drop_parts;
pub use self::whole::strays;
pub use self::within::Within;
pub use self::writer::literal;

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
/// let bounds = Bounds { below_ms: 1_790_035_200_000, from_ms: None };
/// let arm = Arm::new("it's", Projects::all(), bounds);
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
