//! One rewrite: intent, effect, proof.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::error_chain;
use super::{ReclaimReport, Reclaimed, next};
use crate::compile::literal;
use crate::engine::apply::Cycle;
use crate::engine::{Engine, EngineError};
use crate::ledger::{Intended, StepIntent, StepOutcome};
use crate::plan::Remains;
use crate::verify::{Verdict, judge};
use crate::warehouse::{Execution, MARKER_PREFIX, Rewrite, Shard, WarehouseError};

/// The method of a step that frees the disk of deleted rows.
pub(crate) const RECLAIM: &str = "reclaim";
/// Its cycle has no other step.
const STEP: u32 = 1;

/// What the record says of a rewrite in the place of rules and cutoffs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rewritten {
    /// The partition, by id.
    pub(crate) partition: String,
    /// Bytes of deleted rows.
    pub(crate) dead_bytes: u64,
    /// Bytes of the parts that are rewritten.
    pub(crate) rewrite_bytes: u64,
}

/// A partition beside its deleted rows.
struct Partition {
    n_live: u64,
    n_bytes: u64,
}

/// What is left after a rewrite.
struct Proof {
    n_left: u64,
    n_lost: u64,
    freed_bytes: u64,
    n_unfinished: u64,
    has_patches: bool,
}

impl Engine {
    /// Records the intent, sends the statement, counts what it did, and records that.
    pub(super) async fn rewrite(
        &self,
        cycle: &Cycle<'_>,
        shard: &Shard,
        remains: &Remains,
    ) -> Result<ReclaimReport, EngineError> {
        let report = |outcome| ReclaimReport::new(remains, outcome);
        let left = |reason: &str| {
            report(Reclaimed::Left {
                reason: reason.to_owned(),
            })
        };
        let before = match partition(shard, remains, remains.n_dead).await {
            Ok(before) => before,
            Err(error) => return Ok(left(&error_chain(&error))),
        };
        let rewrite = next(remains);
        let intent = self.reclaim_intent(cycle, remains, rewrite);
        match self.ledger.intend_step(&intent).await? {
            Intended::Recorded => {}
            Intended::Stale => return Ok(left("rules, holds or pauses changed meanwhile")),
            Intended::LeaseLost => return Ok(left("the lease was lost")),
        }
        let mut took = Duration::ZERO;
        let (outcome, verdict) = if cycle.tenure.may_send() {
            let place = (&*remains.table, &*remains.partition);
            let comment = format!("{MARKER_PREFIX}{}:{}-{STEP}", remains.table, cycle.id);
            let began = Instant::now();
            let execution = shard
                .rewrite(rewrite, place, (&intent.query_id, &comment))
                .await;
            took = began.elapsed();
            prove(shard, remains, rewrite, &before, execution).await
        } else {
            let error = "not started: the lease was lost, or nearly".to_owned();
            (failed(&error), Settled::failed(error, Some(remains.n_dead)))
        };
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.ledger
            .finish_step(&StepOutcome {
                cycle: cycle.id.clone(),
                step: STEP,
                verdict: verdict.word.into(),
                rows_left: verdict.n_left,
                error: verdict.error,
                duration_ms,
                finished_at: self.clock.now(),
            })
            .await?;
        Ok(report(outcome))
    }

    fn reclaim_intent(&self, cycle: &Cycle<'_>, remains: &Remains, rewrite: Rewrite) -> StepIntent {
        let mut digest = Sha256::new();
        for part in [rewrite.sql(), &*remains.table, &*remains.partition] {
            digest.update(part);
            digest.update([0]);
        }
        let of = [Rewritten {
            partition: remains.partition.to_string(),
            dead_bytes: remains.dead_bytes,
            rewrite_bytes: remains.rewrite_bytes,
        }];
        StepIntent {
            cycle: cycle.id.clone(),
            step: STEP,
            shard: remains.shard.to_string(),
            table: remains.table.to_string(),
            method: RECLAIM.into(),
            shape: rewrite.as_str().into(),
            query_id: format!("ebbtide-{}-{STEP}", cycle.id),
            statement_digest: format!("{:x}", digest.finalize()),
            n_workspaces: 0,
            rows_due: remains.n_dead,
            n_parts: 0,
            predicate: format!(
                "NOT _row_exists AND _partition_id = {}",
                literal(&remains.partition)
            ),
            bounds: serde_json::to_string(&of).unwrap_or_default(),
            intended_at: self.clock.now(),
        }
    }
}

/// What the record says of the end.
struct Settled {
    word: &'static str,
    n_left: Option<u64>,
    error: Option<String>,
}

impl Settled {
    fn failed(error: String, n_left: Option<u64>) -> Self {
        Self {
            word: "failed",
            n_left,
            error: Some(error),
        }
    }

    fn counted(verdict: Verdict, n_left: u64) -> Self {
        Self {
            word: verdict.as_str(),
            n_left: Some(n_left),
            error: None,
        }
    }
}

fn failed(error: &str) -> Reclaimed {
    Reclaimed::Failed {
        error: error.to_owned(),
    }
}

/// What an execution did. The server's word is not enough, and where it has none, nothing else than
/// a count tells.
async fn prove(
    shard: &Shard,
    remains: &Remains,
    rewrite: Rewrite,
    before: &Partition,
    execution: Execution,
) -> (Reclaimed, Settled) {
    let error = match execution {
        Execution::Done | Execution::Vanished { .. } => None,
        Execution::Failed { error, .. }
        | Execution::NotStarted { error }
        | Execution::Running { error, .. }
        | Execution::Unknown { error, .. } => Some(error),
    };
    let proof = look_after(shard, remains, before).await;
    if let Some(error) = error {
        let n_left = proof.ok().map(|proof| proof.n_left);
        let settled = Settled::failed(error.for_the_record(), n_left);
        return (failed(&error_chain(&error)), settled);
    }
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => {
            let text = format!("what it did cannot be counted: {}", error_chain(&error));
            let settled = Settled {
                word: Verdict::Unknown.as_str(),
                n_left: None,
                error: Some(error.for_the_record()),
            };
            return (failed(&text), settled);
        }
    };
    let is_done = match rewrite {
        Rewrite::Masks => proof.n_left == 0,
        Rewrite::Patches => !proof.has_patches,
    };
    if !is_done && proof.n_unfinished > 0 {
        let error = "still running: a mutation of the table is not finished";
        return (failed(error), Settled::failed(error.into(), None));
    }
    if proof.n_lost > 0 {
        let error = format!(
            "{} rows are gone that were not masked before: something else deletes or merges rows",
            proof.n_lost
        );
        return (failed(&error), Settled::failed(error, Some(proof.n_left)));
    }
    let settled = Settled::counted(judge(Some(proof.n_left)), proof.n_left);
    match rewrite {
        _ if !is_done => (
            failed(&format!("{} deleted rows are still on disk", proof.n_left)),
            settled,
        ),
        Rewrite::Masks => {
            let freed_bytes = proof.freed_bytes;
            (Reclaimed::Freed { freed_bytes }, settled)
        }
        // Nothing was to be freed yet.
        Rewrite::Patches => (
            Reclaimed::Masked,
            Settled {
                word: Verdict::Verified.as_str(),
                ..settled
            },
        ),
    }
}

/// What is left. Rows that came meanwhile are no fewer; an engine that merges rows may have fewer at any time.
async fn look_after(
    shard: &Shard,
    remains: &Remains,
    before: &Partition,
) -> Result<Proof, WarehouseError> {
    let rows = shard
        .masked_rows(&remains.table, Some(&remains.partition))
        .await?;
    let n_left = rows.iter().map(|rows| rows.n_dead).sum();
    let masked = shard.masked_partitions(&[&*remains.table]).await?;
    let mut masked = masked.iter();
    let masked = masked.find(|masked| *masked.partition == *remains.partition);
    let after = partition(shard, remains, n_left).await?;
    let mut n_lost = before.n_live.saturating_sub(after.n_live);
    if n_lost > 0 {
        let schemas = shard.schemas(&[&*remains.table]).await?;
        let merges_rows = schemas.iter().any(|schema| !is_plain(&schema.engine));
        n_lost = if merges_rows { 0 } else { n_lost };
    }
    Ok(Proof {
        n_left,
        n_lost,
        freed_bytes: before.n_bytes.saturating_sub(after.n_bytes),
        n_unfinished: unfinished(shard, &remains.table).await?,
        has_patches: masked.is_some_and(|masked| masked.has_patches),
    })
}

/// Whether merges of this engine keep every row.
fn is_plain(engine: &str) -> bool {
    ["MergeTree", "ReplicatedMergeTree", "SharedMergeTree"].contains(&engine)
}

/// Mutations of a table that are not finished, whoever's they are.
pub(crate) async fn unfinished(shard: &Shard, table: &str) -> Result<u64, WarehouseError> {
    let backlog = shard.mutation_backlog(&[table]).await?;
    Ok(backlog.iter().map(|of| of.n_unfinished).sum())
}

async fn partition(
    shard: &Shard,
    remains: &Remains,
    n_dead: u64,
) -> Result<Partition, WarehouseError> {
    let found = shard.partitions(&remains.table).await?.found;
    let mut found = found.iter();
    let found = found.find(|partition| partition.id == remains.partition);
    Ok(Partition {
        n_live: found.map_or(0, |found| found.n_rows.saturating_sub(n_dead)),
        n_bytes: found.map_or(0, |found| found.n_bytes),
    })
}
