//! Partitions that could go as a whole, and that the server does not let go: their rows are masked,
//! and the rest is a person's matter.
//!
//! Invariant: what the server refused is not tried again for a day, by whichever instance: the record
//! of the steps remembers it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::engine::{Engine, error_chain};
use crate::ledger::{LedgerError, StepOutcome, StepRecord};
use crate::plan::{ByHand, Method, Partition};
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard};

/// So long after its drop was refused a partition is masked.
const NOT_AGAIN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Such partitions of a table.
#[derive(Default)]
pub(super) struct Barred {
    /// Larger than so many bytes.
    too_large: (Vec<Arc<str>>, u64),
    refused: Vec<Refused>,
}

/// What the server refused, in one step.
struct Refused {
    at: Timestamp,
    why: String,
    /// The partitions of the step.
    named: Vec<String>,
    /// Those of them that could go now.
    partitions: Vec<Arc<str>>,
}

/// What the record has of the partitions of a step.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    partitions: Vec<String>,
}

impl Engine {
    /// Those of some partitions that the server may let go; the others are noted. Where the ledger
    /// cannot say what was refused, none goes.
    pub(super) async fn without_barred(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        mut candidates: Vec<Arc<str>>,
        partitions: &Partitions,
        barred: &mut Barred,
    ) -> Vec<Arc<str>> {
        if candidates.is_empty() {
            return candidates;
        }
        let refused = match self.refused_lately(shard.name(), &target.table).await {
            Ok(refused) => refused,
            Err(error) => {
                let (shard, table, error) = (shard.name(), &*target.table, error_chain(&error));
                tracing::warn!(shard, table, error, "no partition goes as a whole");
                return Vec::new();
            }
        };
        let most_bytes = shard.most_bytes_to_drop(partitions).await;
        let is_too_large =
            |id: &mut Arc<str>| most_bytes > 0 && partitions.n_bytes_of(id) > most_bytes;
        let too_large = candidates.extract_if(.., is_too_large);
        barred.too_large.0.extend(too_large);
        barred.too_large.1 = most_bytes;
        for mut refused in refused {
            let is_named = |id: &mut Arc<str>| refused.named.iter().any(|named| **named == **id);
            refused.partitions = candidates.extract_if(.., is_named).collect();
            barred.refused.push(refused);
        }
        candidates
    }

    /// The drops from a table that the server refused within a day, the latest first.
    async fn refused_lately(&self, shard: &str, table: &str) -> Result<Vec<Refused>, LedgerError> {
        let since = self.clock.now() - NOT_AGAIN_FOR;
        let mut steps = self.ledger.refused_steps(since).await?;
        steps.retain(|step| {
            let intent = &step.intent;
            (&*intent.shard, &*intent.table) == (shard, table)
                && intent.method == Method::Partition.as_str()
        });
        Ok(steps.into_iter().map(Refused::from).collect())
    }
}

impl From<StepRecord> for Refused {
    fn from(step: StepRecord) -> Self {
        let lines: Vec<Line> = serde_json::from_str(&step.intent.bounds).unwrap_or_default();
        let why = step.outcome.and_then(|outcome| outcome.error);
        let why = why.unwrap_or_default();
        Self {
            at: step.intent.intended_at,
            why: why.trim_start_matches(StepOutcome::REFUSED).to_owned(),
            named: lines.into_iter().flat_map(|line| line.partitions).collect(),
            partitions: Vec::new(),
        }
    }
}

impl Barred {
    /// Whether a partition is one of them.
    pub(super) fn contains(&self, id: &Arc<str>) -> bool {
        let refused = self.refused.iter();
        self.too_large.0.contains(id) || refused.map(|of| &of.partitions).any(|of| of.contains(id))
    }

    /// What is left to a person, of partitions with something due.
    pub(super) fn by_hand(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &Partitions,
    ) -> Vec<ByHand> {
        let left = |among: &[Arc<str>]| -> Vec<Arc<str>> {
            let is_left =
                |partition: &&Partition| partition.n_due > 0 && among.contains(&partition.id);
            let left = partitions.found.iter().filter(is_left);
            left.map(|partition| Arc::clone(&partition.id)).collect()
        };
        let (too_large, most_bytes) = &self.too_large;
        let too_large = (
            left(too_large),
            format!(
                "each is larger than max_partition_size_to_drop ({most_bytes} bytes): its rows are \
                 masked instead; raise the setting for this user, or drop it by hand"
            ),
        );
        let refused = self.refused.iter().map(|refused| {
            let (at, until) = (refused.at, refused.at + NOT_AGAIN_FOR);
            let why = &refused.why;
            let said = format!(
                "ClickHouse refused at {at:.0} to let it go: {why}; until {until:.0} its rows are \
                 masked instead, and then it is tried again; mend the cause, or drop it by hand"
            );
            (left(&refused.partitions), said)
        });
        let all = std::iter::once(too_large).chain(refused);
        let some = all.filter(|(ids, _)| !ids.is_empty());
        let by_hand = |(ids, why): (Vec<Arc<str>>, String)| ByHand {
            shard: shard.name().into(),
            table: target.table.as_str().into(),
            reason: format!(
                "every row of {} is expired for everybody, but {why}",
                ids.join(", ")
            ),
            partitions: ids,
        };
        some.map(by_hand).collect()
    }
}
