//! Partitions that could go as a whole and do not: their rows are masked, and the rest is a person's
//! matter.
//!
//! Invariant: nobody is told to drop a partition by hand of which only a count says that most of it is
//! due.

use std::sync::Arc;

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
    why: String,
    remedy: &'static str,
}

/// How it was found that partitions could go as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// By their key: every row in them is expired, whoever's it is.
    ByKey,
    /// By a count: nearly all of their rows are due.
    ByCount,
}

impl Undropped {
    /// Those of some partitions that one statement of this user can drop; the others are noted.
    pub(super) fn sift(
        &mut self,
        found: Found,
        mut candidates: Vec<Arc<str>>,
        partitions: &Partitions,
    ) -> Vec<Arc<str>> {
        let mut extract = |is_it: &dyn Fn(&Partition) -> bool| -> Vec<Arc<str>> {
            let is_it = |id: &mut Arc<str>| {
                let mut of_table = partitions.found.iter();
                of_table.any(|partition| partition.id == *id && is_it(partition))
            };
            candidates.extract_if(.., is_it).collect()
        };
        let too_large = extract(&|partition| partitions.is_too_large(partition));
        let too_many = extract(&|partition| partition.n_parts > MOST_PARTS_DROPPED);
        self.note(Obstructed {
            partitions: too_large,
            found,
            why: format!(
                "each is larger than max_partition_size_to_drop ({} bytes)",
                partitions.most_bytes
            ),
            remedy: "raise the setting for this user",
        });
        self.note(Obstructed {
            partitions: too_many,
            found,
            why: format!(
                "each has more than {MOST_PARTS_DROPPED} parts, which no statement can name"
            ),
            remedy: "let merges make them fewer, by OPTIMIZE TABLE for instance",
        });
        candidates
    }

    /// Notes partitions of which a row policy hides rows from this user.
    pub(super) fn hides(&mut self, found: Found, partitions: Vec<Arc<str>>) {
        self.note(Obstructed {
            partitions,
            found,
            why: "a row policy hides rows of each from this user, or they are being merged".into(),
            remedy: "let this user see every row",
        });
    }

    fn note(&mut self, obstructed: Obstructed) {
        if !obstructed.partitions.is_empty() {
            self.0.push(obstructed);
        }
    }

    /// Whether a partition is one of them.
    pub(super) fn names(&self, id: &Arc<str>) -> bool {
        self.0.iter().any(|some| some.partitions.contains(id))
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

impl Obstructed {
    fn reason(&self, ids: &str) -> String {
        let (why, remedy) = (&self.why, self.remedy);
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
