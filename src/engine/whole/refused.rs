//! Partitions that the server refused to let go lately.
//!
//! Invariant: what the server refused is not tried again for a day, by whichever instance: the record
//! of the steps remembers it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::undropped::{Found, Undropped, Why};
use crate::engine::{Engine, error_chain};
use crate::ledger::{LedgerError, StepOutcome, StepRecord};
use crate::plan::Method;
use crate::target::CheckedTarget;
use crate::warehouse::{Partitions, Shard};

/// So long after its drop was refused a partition is masked.
const NOT_AGAIN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What the server refused, in one step.
struct Refused {
    at: Timestamp,
    why: String,
    /// The partitions of the step.
    named: Vec<String>,
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
    pub(super) async fn sift(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        (found, mut candidates): (Found, Vec<Arc<str>>),
        partitions: &Partitions,
        undropped: &mut Undropped,
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
        undropped.sift(found, &mut candidates, partitions, most_bytes);
        for Refused { at, why, named } in refused {
            let is_named = |id: &mut Arc<str>| named.iter().any(|named| **named == **id);
            let of_step = candidates.extract_if(.., is_named).collect();
            let until = at + NOT_AGAIN_FOR;
            undropped.note(found, of_step, Why::Refused { at, until, why });
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
        }
    }
}
