//! Partitions that could go as a whole and do not: their rows are masked, and the rest is a person's
//! matter.
//!
//! Invariant: nobody is told to drop a partition by hand of which only a count says that most of it is
//! due.

use std::sync::Arc;

use jiff::Timestamp;

use crate::plan::{ByHand, MOST_PARTS_DROPPED, Partition};
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard};

/// Such partitions of a table.
#[derive(Default)]
pub(super) struct Undropped(Vec<Obstructed>);

/// Those with the same obstacle.
struct Obstructed {
    partitions: Vec<Arc<str>>,
    found: Found,
    why: Why,
}

/// How it was found that partitions could go as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// By their key: every row in them is expired, whoever's it is.
    ByKey,
    /// By a count: nearly all of their rows are due.
    ByCount,
}

/// What is in their way.
pub(super) enum Why {
    /// They are larger than so many bytes.
    TooLarge(u64),
    /// They have more parts than a statement can name.
    TooManyParts,
    /// This user does not see every row of them.
    Hidden,
    /// They are too much to be counted.
    TooDear,
    /// The server refused to let them go.
    Refused {
        at: Timestamp,
        until: Timestamp,
        why: String,
    },
}

impl Undropped {
    /// Takes those out of some partitions that no statement of this user can drop, and notes them.
    pub(super) fn sift(
        &mut self,
        found: Found,
        candidates: &mut Vec<Arc<str>>,
        partitions: &Partitions,
        most_bytes: u64,
    ) {
        let mut extract = |is_it: &dyn Fn(&Partition) -> bool| -> Vec<Arc<str>> {
            let is_it = |id: &mut Arc<str>| {
                let mut of_table = partitions.found.iter();
                of_table.any(|partition| partition.id == *id && is_it(partition))
            };
            candidates.extract_if(.., is_it).collect()
        };
        let too_large = extract(&|partition| most_bytes > 0 && partition.n_bytes > most_bytes);
        let too_many = extract(&|partition| partition.n_parts > MOST_PARTS_DROPPED);
        self.note(found, too_large, Why::TooLarge(most_bytes));
        self.note(found, too_many, Why::TooManyParts);
    }

    /// Notes partitions, if there are any.
    pub(super) fn note(&mut self, found: Found, partitions: Vec<Arc<str>>, why: Why) {
        if !partitions.is_empty() {
            self.0.push(Obstructed {
                partitions,
                found,
                why,
            });
        }
    }

    /// Whether a partition is one of them.
    pub(super) fn names(&self, id: &Arc<str>) -> bool {
        self.0.iter().any(|some| some.partitions.contains(id))
    }

    /// What is in the way of a partition, if it is one of them.
    pub(super) fn why(&self, id: &Arc<str>) -> Option<String> {
        let mut its = self.0.iter().filter(|some| some.partitions.contains(id));
        its.next().map(|some| some.why.said().0)
    }

    /// What is left to a person, of partitions with something due.
    pub(super) fn by_hand(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &Partitions,
    ) -> Vec<ByHand> {
        let by_hand = |obstructed: &Obstructed| {
            let is_left = |partition: &&Partition| {
                partition.n_due > 0 && obstructed.partitions.contains(&partition.id)
            };
            let left = partitions.found.iter().filter(is_left);
            let ids: Vec<Arc<str>> = left.map(|partition| Arc::clone(&partition.id)).collect();
            (!ids.is_empty()).then(|| ByHand {
                shard: shard.name().into(),
                table: target.table.as_str().into(),
                reason: obstructed.reason(&ids.join(", ")),
                partitions: ids,
            })
        };
        self.0.iter().filter_map(by_hand).collect()
    }
}

impl Why {
    /// What is in their way, and what a person can do about it.
    fn said(&self) -> (String, String) {
        match self {
            Self::TooLarge(most_bytes) => (
                format!("each is larger than max_partition_size_to_drop ({most_bytes} bytes)"),
                "raise the setting for this user".into(),
            ),
            Self::TooManyParts => (
                format!(
                    "each has more than {MOST_PARTS_DROPPED} parts, which no statement can name"
                ),
                "let merges make them fewer, by OPTIMIZE TABLE for instance".into(),
            ),
            Self::Hidden => (
                "a row policy hides rows of each from this user, or they are being merged".into(),
                "let this user see every row".into(),
            ),
            Self::TooDear => (
                "each is too much to be counted".into(),
                "raise clickhouse.probe_rows or clickhouse.probe_timeout".into(),
            ),
            Self::Refused { at, until, why } => (
                format!("ClickHouse refused at {at:.0} to let it go ({why})"),
                format!("it is tried again at {until:.0}; mend the cause"),
            ),
        }
    }
}

impl Obstructed {
    fn reason(&self, ids: &str) -> String {
        let (why, remedy) = self.why.said();
        match self.found {
            Found::ByKey => format!(
                "every row of {ids} is expired for everybody, but {why}: its rows are masked instead; \
                 {remedy}, or drop it by hand"
            ),
            Found::ByCount => format!(
                "nearly all rows of {ids} are due, but {why}: they are masked instead; {remedy}"
            ),
        }
    }
}
