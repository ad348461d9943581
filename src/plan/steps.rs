//! From what is due in a table to steps: each choice is a portion, and each portion is packed.

use std::sync::Arc;

use super::extent::Density;
use super::split::{Split, split};
use super::{Ages, Arm, Choice, Extent, Facts, Limits, Method, Step, TableInventory, choose, pack};
use crate::cutoff::Bounds;
use crate::target::CheckedTarget;

/// The rows of a table that go in one way.
pub(super) struct Portion<'t> {
    target: &'t CheckedTarget,
    pub(super) shard: Arc<str>,
    pub(super) table: Arc<str>,
    /// Whether an earlier delete still runs in the table: nothing can be sent.
    pub(super) is_running: bool,
    choice: Choice,
    rows_per_step: u64,
    pub(super) arms: Vec<Arm>,
    /// The same arms, once they are packed.
    packed: Vec<Vec<Arm>>,
    /// The bytes that its rows take, if that is known.
    density: Option<Density>,
    split: Split,
    /// Nothing but where whole partitions go.
    pub(super) whole: Option<Whole>,
}

/// Partitions that go as a whole.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    pub(super) n_due: u64,
    extent: Extent,
    expired: Option<Bounds>,
    /// The instant before which all of their rows are, in Unix milliseconds.
    pub(super) until_ms: i64,
}

/// The portions of one table. Rows in partitions that go as a whole go first.
pub(super) fn portions<'t>(
    target: &'t CheckedTarget,
    inventory: &mut TableInventory,
    limits: &Limits,
) -> Vec<Portion<'t>> {
    let rows_per_step = inventory.rows_per_step.unwrap_or(u64::MAX);
    let rows_per_step = limits.rows_per_step.min(rows_per_step);
    let n_due = inventory.arms.iter().map(|arm| arm.n_due).sum();
    let choices = choose(&Facts {
        ways: &target.ways,
        partitions: &inventory.partitions,
        knows_partitions: inventory.knows_partitions(),
        n_due,
        obstacle: inventory.obstacle.as_ref(),
        rates: &inventory.rates,
    });
    let portion = |choice: Choice| {
        let density = Density::of(&inventory.partitions, &choice.partitions);
        let whole = whole(target, inventory, &choice);
        let arms = if whole.is_some() {
            vec![]
        } else {
            inventory.take_arms(&choice.partitions)
        };
        let histograms = &inventory.histograms;
        let mut split = split(arms, histograms, &choice.partitions, rows_per_step);
        Portion {
            target,
            shard: Arc::clone(&inventory.shard),
            table: Arc::clone(&inventory.table),
            is_running: false,
            choice,
            rows_per_step,
            arms: std::mem::take(&mut split.arms),
            packed: vec![],
            density,
            split,
            whole,
        }
    };
    choices.into_iter().map(portion).collect()
}

fn whole(target: &CheckedTarget, inventory: &TableInventory, choice: &Choice) -> Option<Whole> {
    if choice.method != Method::Partition {
        return None;
    }
    let partitions = inventory.partitions.iter();
    let whole = partitions.filter(|partition| choice.partitions.contains(&partition.id));
    let of_none = Whole {
        n_due: 0,
        extent: Extent::of(Some(0), Ages::default()),
        expired: inventory.expired,
        until_ms: i64::MIN,
    };
    let end_ms = |value: &str| target.ways.period?.span_ms(value).map(|(_, end_ms)| end_ms);
    let add = |sum: Whole, partition: &super::Partition| Whole {
        n_due: sum.n_due + partition.n_due,
        extent: sum
            .extent
            .and(Extent::of(Some(partition.n_bytes), partition.ages)),
        until_ms: sum
            .until_ms
            .max(end_ms(&partition.value).unwrap_or(i64::MAX)),
        ..sum
    };
    Some(whole.fold(of_none, add))
}

impl Portion<'_> {
    /// Packs its arms; returns how many steps it makes.
    pub(super) fn pack(&mut self, limits: &Limits) -> usize {
        let limits = Limits {
            rows_per_step: self.rows_per_step,
            ..*limits
        };
        let arms = std::mem::take(&mut self.arms);
        self.packed = pack(arms, self.target, &limits).statements;
        self.packed.len() + usize::from(self.whole.is_some())
    }

    /// Takes the arms apart again.
    pub(super) fn unpack(&mut self) {
        self.arms.extend(self.packed.drain(..).flatten());
    }

    /// Its steps, numbered after some others.
    pub(super) fn add_to(self, steps: &mut Vec<Step>) {
        let whole = self.whole.map(|whole| (vec![], whole.n_due, whole.extent));
        let packed = self.packed.into_iter().map(|arms| {
            let n_due = arms.iter().map(|arm| arm.n_due).sum();
            let ages = arms.iter().map(Arm::ages).reduce(Ages::and);
            let n_bytes = self.density.and_then(|density| density.n_bytes(n_due));
            let extent = Extent::of(n_bytes, ages.unwrap_or_default());
            (arms, n_due, extent)
        });
        for (arms, n_due, extent) in whole.into_iter().chain(packed) {
            let number = u32::try_from(steps.len()).unwrap_or(u32::MAX);
            let reason = match self.split.note(&arms) {
                Some(note) => format!("{}; {note}", self.choice.reason).into(),
                None => Arc::clone(&self.choice.reason),
            };
            steps.push(Step {
                number: number.saturating_add(1),
                shard: Arc::clone(&self.shard),
                table: Arc::clone(&self.table),
                method: self.choice.method,
                partitions: self.choice.partitions.clone(),
                n_parts: self.choice.n_parts,
                reason,
                arms,
                expired: self.whole.and_then(|whole| whole.expired),
                n_due,
                extent,
            });
        }
    }
}
