//! Why a plan must not be executed. The planner asks, and the executor asks again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Deferred, Limits, Method, Projects, Step, TablePlan};
use crate::guard::{Guards, Hold, PauseScope};
use crate::rule::Days;
use crate::target::CheckedTarget;

/// Why a plan must not be executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "guard", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// It would delete more of a table than is allowed at once.
    #[error(
        "table {table} on {shard} would lose {n_due} of {n_rows} rows, more than \
         retention.max_share_of_table ({max_share}) allows; look at `ebbtide plan`, and raise the \
         share if this is what you want"
    )]
    Share {
        /// The shard.
        shard: Arc<str>,
        /// The table.
        table: Arc<str>,
        /// Rows that would go.
        n_due: u64,
        /// Rows that are there.
        n_rows: u64,
        /// The largest share that is allowed.
        max_share: f64,
    },
    /// It was made for a day that has not come.
    #[error(
        "the plan is made as of {day}, and today is {today}; plans of the future are to look at"
    )]
    Future {
        /// The plan's UTC day.
        day: String,
        /// The UTC day of the executor's clock.
        today: String,
    },
    /// It would delete rows younger than the floor.
    #[error(
        "step {step} would delete rows of {table} that are younger than the floor of {floor}; make the plan again"
    )]
    Floor {
        /// The step.
        step: u32,
        /// The table.
        table: Arc<str>,
        /// The floor.
        floor: Days,
    },
    /// It was asked for rows younger than the floor.
    #[error(
        "rows older than {older_than} were asked for, and retention.floor keeps everything for {floor}"
    )]
    TooYoung {
        /// The age that was asked for.
        older_than: Days,
        /// The floor.
        floor: Days,
    },
    /// It would delete rows that a hold keeps.
    #[error("step {step} would delete rows of {table} that hold {hold} keeps; make the plan again")]
    Held {
        /// The step.
        step: u32,
        /// The table.
        table: Arc<str>,
        /// The hold.
        hold: u64,
    },
    /// It would delete where deleting is paused.
    #[error(
        "step {step} would delete rows of {table}, and {pause} is paused; resume it, and make the plan again"
    )]
    Paused {
        /// The step.
        step: u32,
        /// The table.
        table: Arc<str>,
        /// What is paused.
        pause: PauseScope,
    },
    /// It would delete what nobody asked for.
    #[error(
        "step {step} would delete rows of {table} that the backfill was not asked for; nothing is deleted"
    )]
    NotAsked {
        /// The step.
        step: u32,
        /// The table.
        table: Arc<str>,
    },
    /// Nobody approved what it would delete.
    #[error(
        "nobody approved a plan of revision {revision} yet, and retention.approval asks for it; \
         review one with `ebbtide plan --out plan.json`, and approve it with `ebbtide apply plan.json`"
    )]
    Unapproved {
        /// The revision of the plan, or of the base that it follows.
        revision: u64,
    },
}

/// The guards that a plan does not pass by its numbers. Rows that went earlier on the same day
/// count: slots and plans made anew must not add up past the share. So do rows that wait for the next
/// cycle, and of those that nobody counted as many as there may be: what is too much is refused before
/// the first of it goes.
pub(crate) fn refusals(
    tables: &[TablePlan],
    deferred: &[Deferred],
    limits: &Limits,
) -> Vec<Refusal> {
    let with_deferred = |table: &TablePlan| {
        let of_table =
            |deferred: &&Deferred| deferred.shard == table.shard && deferred.table == table.table;
        let waiting = deferred.iter().filter(of_table);
        let n_rows = |deferred: &Deferred| {
            let n_uncounted = deferred.n_uncounted.unwrap_or(0);
            deferred.n_rows.saturating_add(n_uncounted)
        };
        let n_waiting: u64 = waiting.map(n_rows).sum();
        TablePlan {
            n_due: table.n_due.saturating_add(n_waiting),
            ..table.clone()
        }
    };
    tables
        .iter()
        .map(with_deferred)
        .filter(|table| exceeds(table, limits.max_share_of_table))
        .map(|table| Refusal::Share {
            n_due: table.n_due.saturating_add(table.n_deleted_today),
            n_rows: table.totals.n_rows.saturating_add(table.n_deleted_today),
            max_share: limits.max_share_of_table,
            shard: table.shard,
            table: table.table,
        })
        .collect()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a share needs no 53 bits"
)]
fn exceeds(table: &TablePlan, max_share: f64) -> bool {
    let n_today = table.n_deleted_today;
    let n_gone = table.n_due.saturating_add(n_today);
    // Where nothing is due, nothing is refused.
    table.n_due > 0
        && n_gone as f64 > table.totals.n_rows.saturating_add(n_today) as f64 * max_share
}

/// The holds and pauses that a step would go against. `organization_of` a workspace is asked of
/// the directory of now.
pub(crate) fn touches<'o>(
    step: &Step,
    target: Option<&CheckedTarget>,
    guards: &Guards,
    organization_of: impl Fn(&str) -> Option<&'o str>,
) -> Vec<Refusal> {
    if step.method == Method::Partition {
        return whole_partitions_touch(step, guards);
    }
    let mut found = Vec::new();
    for arm in &step.arms {
        if let Some(pause) = guards.pause_of(&step.table, &arm.workspace) {
            found.push(Refusal::Paused {
                step: step.number,
                table: Arc::clone(&step.table),
                pause,
            });
            break;
        }
    }
    if guards.holds().is_empty() {
        return found;
    }
    for arm in &step.arms {
        let workspace = &*arm.workspace;
        let project = arm.project().map(|project| &**project);
        let mut holds: Vec<&Hold> = guards
            .over(workspace, project, organization_of(workspace))
            .collect();
        if let Projects::Except(exceptions) = &arm.projects {
            // A project that the column cannot hold has no rows; without a column, nobody knows.
            let has_rows = |project: &str| {
                target.is_none_or(|target| {
                    target.project.is_none() || target.can_hold_project(project)
                })
            };
            let of_projects = guards.over_projects(workspace);
            let of_projects =
                of_projects.filter(|(name, _)| !exceptions.contains(*name) && has_rows(name));
            holds.extend(of_projects.map(|(_, hold)| hold));
        }
        let touching = holds.into_iter().find(|hold| {
            let (from_ms, until_ms) = hold.range.span_ms(1);
            !arm.bounds.without(from_ms, until_ms).eq([arm.bounds])
        });
        if let Some(hold) = touching {
            found.push(Refusal::Held {
                step: step.number,
                table: Arc::clone(&step.table),
                hold: hold.id,
            });
            break;
        }
    }
    found
}

/// Whole partitions hold anybody's rows: any hold and any pause is over them.
fn whole_partitions_touch(step: &Step, guards: &Guards) -> Vec<Refusal> {
    let held = guards.holds().first().map(|hold| Refusal::Held {
        step: step.number,
        table: Arc::clone(&step.table),
        hold: hold.id,
    });
    let paused = guards.pauses().first().map(|pause| Refusal::Paused {
        step: step.number,
        table: Arc::clone(&step.table),
        pause: pause.clone(),
    });
    held.into_iter().chain(paused).collect()
}
