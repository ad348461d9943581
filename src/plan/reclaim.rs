//! Which partition is rewritten next, so that rows that are deleted free their disk: the one
//! function that chooses.
//!
//! A lightweight delete masks rows; they stay on disk until a merge, or until the mask is applied,
//! which rewrites the parts that have one and no others. Only where merges had their time and did
//! not do it is a rewrite worth its cost: parts near the largest size that is merged wait for ever.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::choose::Bytes;
use crate::guard::PauseScope;

/// What a partition still holds of rows that are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// The shard.
    pub shard: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The partition, by id.
    pub partition: Arc<str>,
    /// Rows in its parts, those that are deleted included.
    pub n_rows: u64,
    /// Rows that are deleted and still on disk.
    pub n_dead: u64,
    /// The bytes that are theirs, by their share of the rows of each part.
    pub dead_bytes: u64,
    /// Bytes of the parts that hold them: so many are read and, but for the dead ones, written anew.
    pub rewrite_bytes: u64,
    /// Whether deletes wait in patch parts: these become masks first, by a rewrite of little.
    pub has_patches: bool,
    /// Since when, at the latest, the oldest of the rows is deleted.
    pub since: Timestamp,
    /// Mutations of the table that are not finished, whoever's they are.
    pub n_unfinished: u64,
    /// Free bytes where its parts are, and all there are; nothing where nobody knows.
    pub disk: Option<Disk>,
}

/// The disks that a part may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Free bytes.
    pub free_bytes: u64,
    /// All bytes.
    pub total_bytes: u64,
}

/// When a rewrite is worth its cost, and what it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReclaimLimits {
    /// The share of a partition's rows that must be dead.
    pub min_dead_share: f64,
    /// How long merges have time to do it by themselves.
    pub after: Duration,
    /// So many times the bytes that are rewritten must be free, beyond the floor.
    pub free_disk: f64,
    /// The floor: the share of the disk that stays free.
    pub free_disk_share: f64,
}

/// A partition, and whether it is rewritten.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reclaim {
    /// What it holds.
    #[serde(flatten)]
    pub remains: Remains,
    /// Whether it is rewritten.
    pub is_due: bool,
    /// Why, for people.
    pub reason: String,
}

/// Decides for each partition, in the order of work: first those that are due, and of these the one
/// with the largest gain per byte rewritten, then the oldest.
///
/// A pause of a workspace does not count: nothing of any workspace is deleted by a rewrite.
pub fn weigh(
    remains: Vec<Remains>,
    limits: &ReclaimLimits,
    pauses: &[PauseScope],
    now: Timestamp,
) -> Vec<Reclaim> {
    let one = |remains: Remains| {
        let obstacle = obstacle(&remains, limits, pauses, now);
        Reclaim {
            is_due: obstacle.is_none(),
            reason: obstacle.unwrap_or_else(|| worth(&remains, now)),
            remains,
        }
    };
    let mut all: Vec<Reclaim> = remains.into_iter().map(one).collect();
    all.sort_by_cached_key(|one| {
        let Remains {
            shard,
            table,
            partition,
            dead_bytes,
            rewrite_bytes,
            since,
            ..
        } = &one.remains;
        let gain = u128::from(*dead_bytes) * 1_000 / u128::from(*rewrite_bytes).max(1);
        let name = (Arc::clone(shard), Arc::clone(table), Arc::clone(partition));
        (!one.is_due, Reverse(gain), *since, name)
    });
    all
}

/// Why a partition is left as it is, if so.
fn obstacle(
    remains: &Remains,
    limits: &ReclaimLimits,
    pauses: &[PauseScope],
    now: Timestamp,
) -> Option<String> {
    let is_paused = |pause: &&PauseScope| match pause {
        PauseScope::Everything => true,
        PauseScope::Target(table) => *table == remains.table,
        PauseScope::Workspace(_) => false,
    };
    if let Some(pause) = pauses.iter().find(is_paused) {
        return Some(format!("paused: {pause}"));
    }
    let share = share(remains.n_dead, remains.n_rows);
    if share < limits.min_dead_share {
        return Some(format!(
            "{} of it is dead, less than reclaim.min_dead_share ({})",
            Percent(share),
            Percent(limits.min_dead_share)
        ));
    }
    let age = age(remains, now);
    if age < limits.after {
        return Some(format!(
            "its oldest mask is {} old, and merges have {} for it (reclaim.after)",
            Age(age),
            Age(limits.after)
        ));
    }
    if remains.n_unfinished > 0 {
        return Some(format!(
            "mutations of the table are not finished: {}",
            remains.n_unfinished
        ));
    }
    short_of_disk(remains, limits)
}

/// What is missing on the disk, if anything is.
fn short_of_disk(remains: &Remains, limits: &ReclaimLimits) -> Option<String> {
    let Some(disk) = remains.disk else {
        return Some("nobody knows how much disk is free".into());
    };
    let needed = number(remains.rewrite_bytes) * limits.free_disk;
    let floor = number(disk.total_bytes) * limits.free_disk_share;
    if number(disk.free_bytes) - floor >= needed {
        return None;
    }
    Some(format!(
        "too little disk is free: it rewrites {}, for which {} times as much must be free \
         (reclaim.free_disk) beyond {} of {} (pace.backpressure.free_disk_share), and {} are",
        Bytes(remains.rewrite_bytes),
        limits.free_disk,
        Percent(limits.free_disk_share),
        Bytes(disk.total_bytes),
        Bytes(disk.free_bytes)
    ))
}

fn worth(remains: &Remains, now: Timestamp) -> String {
    format!(
        "{} of it is dead, the oldest mask is {} old; a rewrite of {} frees about {}",
        Percent(share(remains.n_dead, remains.n_rows)),
        Age(age(remains, now)),
        Bytes(remains.rewrite_bytes),
        Bytes(remains.dead_bytes)
    )
}

/// How long the oldest mask is there.
pub(crate) fn age(remains: &Remains, now: Timestamp) -> Duration {
    let age: SignedDuration = now.duration_since(remains.since);
    Duration::try_from(age).unwrap_or(Duration::ZERO)
}

/// A share; all of nothing is nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    number(part) / number(whole)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "sizes of disks need no more than 53 bits"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// A share for people.
struct Percent(f64);

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

/// A length of time for people.
pub(crate) struct Age(pub(crate) Duration);

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            172_800.. => write!(f, "{} d", seconds / 86_400),
            7_200.. => write!(f, "{} h", seconds / 3_600),
            120.. => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests;
