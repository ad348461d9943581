//! One look at what is due.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::compile::{self, Within};
use crate::engine::Engine;
use crate::engine::tally::Tally;
use crate::plan::{Arm, DueRow};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

impl Engine {
    /// What is due for arms of one statement: lines of a probe, each with the place of its arm.
    pub(in crate::engine) async fn due_rows(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &[Arm],
        within: Within<'_>,
    ) -> Result<Vec<(usize, DueRow)>, WarehouseError> {
        let mut found = Vec::new();
        for probe in compile::probe(target, arms, within) {
            let none: Arc<str> = "".into();
            let mut index: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
            for (at, arm) in arms.iter().enumerate() {
                if arm.project().is_some() == probe.by_project {
                    let project = arm.project().unwrap_or(&none);
                    index.insert((Arc::clone(&arm.workspace), Arc::clone(project)), at);
                }
            }
            for row in shard.count_due(&probe.sql).await? {
                let at = index.get(&(row.workspace.as_str().into(), row.project.as_str().into()));
                // A group that nobody asked for would mean that the predicate is wrong.
                let Some(at) = at else {
                    return Err(shard.unexpected_group(&row.workspace));
                };
                found.push((*at, row));
            }
        }
        Ok(found)
    }
}

/// Fills in what was counted of arms, which stand from `first` on in the inventory.
pub(super) fn tally_up(
    arms: &mut [Arm],
    rows: &[(usize, DueRow)],
    first: usize,
    tally: &mut Tally,
) {
    for arm in arms.iter_mut() {
        arm.forget_counts();
    }
    for (at, row) in rows {
        if let Some(arm) = arms.get_mut(*at) {
            tally.add(row, arm, first + at);
        }
    }
}
