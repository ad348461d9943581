//! How the rows of a table go: the one function that chooses.
//!
//! 1. Partitions that go as a whole are dropped, as many in one statement as it can name the parts of; or
//!    moved to quarantine.
//! 2. The rest goes as the config says, or by patch parts where that costs at most a fifth of a
//!    mutation, the table has at least 20 parts, and at most a twentieth of its rows go: until the
//!    next merge every read joins the patches.
//! 3. Else by one lightweight delete. Where all rows are in one partition, `IN PARTITION`: the
//!    predicate does not run elsewhere. Where they are in a few, a statement for each if that costs
//!    less, which it only does on replicated tables: elsewhere each is registered against all parts.
//!
//! Bytes decide nothing, and are only said. A part without rows due is linked again, whatever its size; of
//! one with some the columns of the predicate are read, and a mask is written: 16 million rows in one part
//! took 0.3 s with 175 MiB as with 665 MiB, and with 160,000 rows due as with 8 million (26.7, two cores). So
//! what counts are parts, and the rows of those with something due. Rows due stand for these: steps
//! record them, and the rates that are fitted to the steps of a table have its share in them.

use std::fmt;
use std::sync::Arc;

use super::partition::Partition;
use super::{Method, Obstacle, Rates};
use crate::target::{MethodChoice, Ways};

/// Readers pay for patches: what they save must be worth it.
const PATCH_MUST_SAVE: f64 = 5.0;
const PATCH_FEWEST_PARTS: u64 = 20;
const PATCH_LARGEST_SHARE: u64 = 20;
/// Parts that one statement drops: each is named, and the server reads 256 KiB at most.
pub(crate) const MOST_PARTS_DROPPED: u64 = 1_000;
/// Each partition by itself is a mutation of its own.
const MOST_PARTITIONS_APART: usize = 8;

/// What is known of a table.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the config wants and the table admits.
    pub ways: &'a Ways,
    /// Its partitions; none where nobody counted them.
    pub partitions: &'a [Partition],
    /// Whether it is known which rows are due in which partition.
    pub knows_partitions: bool,
    /// Rows that go, without those of partitions that go as a whole.
    pub n_due: u64,
    /// What is in the way of partitions that could go as a whole, if there are any.
    pub obstacle: Option<&'a Obstacle>,
    /// What deleting costs there.
    pub rates: &'a Rates,
}

/// How some rows of a table go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How.
    pub method: Method,
    /// Which partitions; all of the table if none is named.
    pub partitions: Vec<Arc<str>>,
    /// The parts that a statement is registered against.
    pub n_parts: u64,
    /// Why.
    pub reason: Arc<str>,
}

/// Chooses how the rows of a table go; nothing where nothing is due.
pub fn choose(facts: &Facts<'_>) -> Vec<Choice> {
    let mut choices = drop_whole(facts);
    if facts.n_due > 0 {
        let other = if choices.is_empty() { "" } else { "other " };
        let mut rest = rest(facts);
        for choice in &mut rest {
            if let Some(obstacle) = facts.obstacle {
                let reason = &choice.reason;
                choice.reason =
                    format!("{reason}; no {other}partition goes whole: {obstacle}").into();
            }
        }
        choices.extend(rest);
    }
    choices
}

fn drop_whole(facts: &Facts<'_>) -> Vec<Choice> {
    let mut statements: Vec<(u64, Vec<&Partition>)> = Vec::new();
    for partition in partitions(facts, |partition| partition.goes_whole) {
        match statements.last_mut() {
            Some((n_parts, together)) if *n_parts + partition.n_parts <= MOST_PARTS_DROPPED => {
                *n_parts += partition.n_parts;
                together.push(partition);
            }
            _ => statements.push((partition.n_parts, vec![partition])),
        }
    }
    let together = statements
        .iter()
        .map(|(_, together)| drop_together(facts, together));
    together.flatten().collect()
}

fn drop_together(facts: &Facts<'_>, whole: &[&Partition]) -> Option<Choice> {
    let (first, last) = (whole.first()?, whole.last()?);
    let n_parts = whole.iter().map(|partition| partition.n_parts).sum();
    let n_due = whole.iter().map(|partition| partition.n_due).sum();
    let n_bytes: u64 = whole.iter().map(|partition| partition.n_bytes).sum();
    let range = if whole.len() == 1 {
        format!("partition {}", first.value)
    } else {
        format!(
            "{} partitions, {} to {}",
            whole.len(),
            first.value,
            last.value
        )
    };
    let quarantine = facts.ways.quarantine;
    let kept = quarantine.map_or_else(String::new, |quarantine| {
        format!("; kept in quarantine for {}", quarantine.length)
    });
    let reason = format!(
        "every row in it is expired under every policy: {range}, {n_parts} parts, {}, about {}{kept}",
        Bytes(n_bytes),
        Seconds(facts.rates.partition.ms(n_parts, n_due))
    );
    Some(Choice {
        method: Method::Partition,
        partitions: ids(whole),
        n_parts,
        reason: reason.into(),
    })
}

fn rest(facts: &Facts<'_>) -> Vec<Choice> {
    let (ways, rates) = (facts.ways, facts.rates);
    let of_table = partitions(facts, |partition| !partition.goes_whole);
    let due = partitions(facts, |partition| {
        !partition.goes_whole && partition.n_due > 0
    });
    let n_parts: u64 = of_table.iter().map(|partition| partition.n_parts).sum();
    let n_due_parts: u64 = due.iter().map(|partition| partition.n_parts).sum();
    let mutation = rates.lightweight.ms(n_parts, facts.n_due);
    let patch = rates.patch.ms(n_due_parts, facts.n_due);
    let whole = |method, n_parts, reason: String| {
        vec![Choice {
            method,
            partitions: vec![],
            n_parts,
            reason: reason.into(),
        }]
    };
    if ways.method == MethodChoice::Patch {
        return whole(
            Method::Patch,
            n_due_parts,
            "targets[].method says so".into(),
        );
    }
    let n_rows: u64 = of_table.iter().map(|partition| partition.n_rows).sum();
    let is_small = facts.n_due.saturating_mul(PATCH_LARGEST_SHARE) <= n_rows;
    if ways.method == MethodChoice::Auto
        && ways.can_patch
        && n_parts >= PATCH_FEWEST_PARTS
        && is_small
        && patch * PATCH_MUST_SAVE <= mutation
    {
        let reason = format!(
            "few rows and {n_parts} parts: patches of {n_due_parts} parts take about {}, a mutation {}; \
             reads join the patches until the next merge",
            Seconds(patch),
            Seconds(mutation)
        );
        return whole(Method::Patch, n_due_parts, reason);
    }
    if let Some(choices) = apart(facts, &due, n_parts, mutation) {
        return choices;
    }
    let reason = format!(
        "one mutation over all {n_parts} parts, about {}",
        Seconds(mutation)
    );
    whole(Method::Lightweight, n_parts, reason)
}

/// One statement for each partition, where that is wanted or costs less.
fn apart(
    facts: &Facts<'_>,
    due: &[&Partition],
    n_parts: u64,
    mutation: f64,
) -> Option<Vec<Choice>> {
    let (ways, rate) = (facts.ways, facts.rates.lightweight);
    if !ways.is_partitioned || !facts.knows_partitions || due.is_empty() {
        return None;
    }
    let registered = |partition: &Partition| {
        if ways.is_replicated {
            partition.n_parts
        } else {
            n_parts
        }
    };
    let of_each = |partition: &&Partition| rate.ms(registered(partition), partition.n_due);
    let apart: f64 = due.iter().map(of_each).sum();
    let is_cheaper = due.len() <= MOST_PARTITIONS_APART && apart < mutation;
    let is_wanted = ways.method == MethodChoice::Partition;
    if due.len() > 1 && !is_cheaper && !is_wanted {
        return None;
    }
    let choice = |partition: &&Partition| {
        let n_parts = registered(partition);
        let reason = format!(
            "{} rows due are in partition {}: a mutation of {n_parts} parts, about {}",
            if due.len() == 1 { "all" } else { "some" },
            partition.value,
            Seconds(of_each(partition))
        );
        Choice {
            method: Method::Lightweight,
            partitions: vec![Arc::clone(&partition.id)],
            n_parts,
            reason: reason.into(),
        }
    };
    Some(due.iter().map(choice).collect())
}

fn partitions<'a>(facts: &Facts<'a>, which: impl Fn(&Partition) -> bool) -> Vec<&'a Partition> {
    let partitions = facts.partitions.iter();
    partitions.filter(|partition| which(partition)).collect()
}

fn ids(partitions: &[&Partition]) -> Vec<Arc<str>> {
    let ids = partitions.iter().map(|partition| Arc::clone(&partition.id));
    ids.collect()
}

/// A size for people.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_u64 << 40, "TiB"),
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
        ];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => {
                let tenths = self.0 / (unit / 10).max(1);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Milliseconds for people.
struct Seconds(f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0 / 1_000.0)
    }
}

#[cfg(test)]
mod tests;
