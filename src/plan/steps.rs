//! From what is due in a table to steps: each choice, packed.

use std::sync::Arc;

use super::{Arm, Choice, Facts, Limits, Method, Plan, Step, TableInventory, choose, pack};
use crate::target::CheckedTarget;

impl Plan {
    /// The steps of one table: each choice, packed. Rows in partitions that go as a whole go first.
    pub(super) fn add_steps(
        &mut self,
        target: &CheckedTarget,
        inventory: &mut TableInventory,
        limits: &Limits,
    ) {
        let rows_per_step = inventory.rows_per_step.unwrap_or(u64::MAX);
        let limits = &Limits {
            rows_per_step: limits.rows_per_step.min(rows_per_step),
            ..*limits
        };
        let n_due = inventory.arms.iter().map(|arm| arm.n_due).sum();
        let choices = choose(&Facts {
            ways: &target.ways,
            partitions: &inventory.partitions,
            knows_partitions: inventory.knows_partitions(),
            n_due,
            rates: &inventory.rates,
        });
        for choice in choices {
            if choice.method == Method::Partition {
                let whole = inventory.partitions.iter();
                let whole = whole.filter(|partition| choice.partitions.contains(&partition.id));
                let n_due = whole.map(|partition| partition.n_due).sum();
                self.add_step(inventory, &choice, vec![], n_due);
                continue;
            }
            let arms = inventory.take_arms(&choice.partitions);
            for arms in pack(arms, target, limits).statements {
                let n_due = arms.iter().map(|arm| arm.n_due).sum();
                self.add_step(inventory, &choice, arms, n_due);
            }
        }
    }

    fn add_step(
        &mut self,
        inventory: &TableInventory,
        choice: &Choice,
        arms: Vec<Arm>,
        n_due: u64,
    ) {
        let number = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        let goes_whole = choice.method == Method::Partition;
        self.steps.push(Step {
            number: number.saturating_add(1),
            shard: Arc::clone(&inventory.shard),
            table: Arc::clone(&inventory.table),
            method: choice.method,
            partitions: choice.partitions.clone(),
            n_parts: choice.n_parts,
            reason: Arc::clone(&choice.reason),
            arms,
            expired: inventory.expired.filter(|_| goes_whole),
            n_due,
        });
    }
}
