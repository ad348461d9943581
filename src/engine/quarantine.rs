//! Partitions in quarantine after the cycle that moved them: what a process that died left half done
//! is ended, and what has been kept for long enough is dropped, or goes back.
//!
//! Invariant: a partition is dropped only where what let it leave its table is proven again by the
//! rules, holds and pauses of now: by its key, and by a count that sees every row of it. What rules and
//! holds want goes back, so that no row is hidden for longer than was promised; what is only paused, or
//! cannot be asked or seen, waits.

mod enter;
mod leave;
mod undo;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, Event, Tenure, error_chain};
use crate::compile::{drop_quarantine, strays};
use crate::cutoff::Bounds;
use crate::ledger::{Intended, QuarantineChange, QuarantineRecord, QuarantineState};
use crate::plan::{Basis, Terms};
use crate::resolve::resolve;
use crate::target::{CheckedTarget, QuarantineTable};
use crate::warehouse::{Execution, Hidden, Request, Shard, WarehouseError, marker};

use leave::Unproven;
pub use undo::Undone;

/// What of the work on a quarantine could not be done, and why.
type Left<T> = Result<Result<T, String>, EngineError>;

/// A partition in quarantine on its shard.
#[derive(Clone, Copy)]
struct Kept<'a> {
    shard: &'a Shard,
    record: &'a QuarantineRecord,
    table: &'a QuarantineTable,
    tenure: &'a Tenure,
}

impl Engine {
    /// Ends what was left half done, and drops or brings back what has been kept for long enough.
    /// Where nothing is of either kind, only the ledger is asked.
    ///
    /// # Errors
    /// As [`Engine::plan`]. What ClickHouse refuses is left for the next cycle.
    pub(crate) async fn tend_quarantine(
        &self,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<(), EngineError> {
        let open = self.see_quarantine().await?;
        let now = self.clock.now();
        let may_wait = |record: &QuarantineRecord| {
            record.state == QuarantineState::Kept && record.quarantine.keep_until > now
        };
        let due: Vec<&QuarantineRecord> = open.iter().filter(|record| !may_wait(record)).collect();
        if due.is_empty() || self.check_window().is_err() {
            return Ok(());
        }
        self.check_ledger_clock().await?;
        let rulebook = self.rulebook().await?;
        let base = self.base(&rulebook).await?;
        let policies = resolve(&rulebook.rules, &rulebook.directory, &self.default);
        let of_base = base.policies(&rulebook);
        let terms = Terms {
            now,
            made_at: now,
            policies: &policies,
            basis: Basis::Effective,
            base: base.as_base(of_base.as_ref()),
            guards: &rulebook.guards,
            slot: None,
            backfill: None,
            with_totals: false,
        };
        for shard in self.warehouse.shards() {
            let of_shard = |record: &&&QuarantineRecord| record.quarantine.shard == shard.name();
            let mut of_shard = due.iter().filter(of_shard).peekable();
            if of_shard.peek().is_none() {
                continue;
            }
            let targets = match self.checked_targets(shard, false).await {
                Ok(targets) => targets,
                Err(EngineError::Ledger(error)) => return Err(error.into()),
                Err(error) => {
                    say_left(shard.name(), "all", &error_chain(&error));
                    continue;
                }
            };
            for record in of_shard {
                let Some(table) = QuarantineTable::parse(&record.quarantine.kept_in) else {
                    say_left(
                        shard.name(),
                        &record.quarantine.partition,
                        "its table has a foreign name",
                    );
                    continue;
                };
                if stop.is_cancelled() || !tenure.may_send() {
                    return Ok(());
                }
                let kept = Kept {
                    shard,
                    record,
                    table: &table,
                    tenure,
                };
                let tended = self.tend(kept, &targets, &terms, rulebook.revision).await?;
                if let Err(reason) = tended {
                    say_left(shard.name(), &record.quarantine.partition, &reason);
                }
            }
        }
        self.see_quarantine().await?;
        Ok(())
    }

    /// What is in quarantine, for whoever observes, too.
    pub(crate) async fn see_quarantine(&self) -> Result<Vec<QuarantineRecord>, EngineError> {
        let open = self.ledger.quarantines(false).await?;
        (self.observer)(&Event::Quarantined { records: &open });
        Ok(open)
    }

    /// What comes next of a partition in quarantine.
    async fn tend(
        &self,
        kept: Kept<'_>,
        targets: &[CheckedTarget],
        terms: &Terms<'_>,
        revision: u64,
    ) -> Left<()> {
        let proven = leave::proven(kept, targets, terms);
        match kept.record.state {
            QuarantineState::Moving => {
                let of_move = self.is_moved(kept).await;
                match of_move {
                    Ok(true) => {}
                    Ok(false) => return Ok(Err("its statement still runs".into())),
                    Err(error) => return Ok(Err(error_chain(&error))),
                }
                let expired = proven
                    .ok()
                    .map(|(target, expired)| (target.clone(), expired));
                self.settle_moved(kept, expired).await
            }
            QuarantineState::Undoing => self.bring_back(kept).await.map(|left| left.map(drop)),
            QuarantineState::Kept | QuarantineState::Dropping => match proven {
                Ok((target, expired)) => self.drop_kept(kept, target, expired, revision).await,
                Err(Unproven::Paused) => Ok(Err("it waits for a pause to end".into())),
                Err(Unproven::Wanted(reason)) => self.send_back(kept, &reason).await,
            },
            QuarantineState::Undone | QuarantineState::Dropped => Ok(Ok(())),
        }
    }

    /// Brings a partition back that must not be dropped. Nobody asked for it, so nothing is paused:
    /// of what comes back, cycles mask what is due.
    async fn send_back(&self, kept: Kept<'_>, reason: &str) -> Left<()> {
        let new = &kept.record.quarantine;
        let (table, partition) = (&new.table, &new.partition);
        tracing::warn!(
            table,
            partition,
            reason,
            "a partition goes back from quarantine"
        );
        Ok(self.bring_back(kept).await?.map(drop))
    }

    /// Rows of a partition in quarantine that are to be read, and how many of them should stay; or what
    /// keeps that unknown.
    async fn count_kept(
        &self,
        kept: Kept<'_>,
        target: &CheckedTarget,
        expired: Bounds,
    ) -> Result<Result<(u64, u64), Hidden>, WarehouseError> {
        let partition: Arc<str> = kept.record.quarantine.partition.as_str().into();
        let in_quarantine = CheckedTarget {
            table: kept.table.to_string(),
            ..target.clone()
        };
        let partition = std::slice::from_ref(&partition);
        let sql = strays(&in_quarantine, partition, expired);
        let rows = kept.shard.strays(&sql).await?;
        // A row policy may have come since it was moved.
        let table = kept.table.as_str();
        if let Some(hidden) = kept.shard.hidden_rows(table, partition).await?.pop() {
            return Ok(Err(hidden));
        }
        let sums = rows
            .iter()
            .map(|row| (row.ebbtide_rows, row.ebbtide_strays));
        Ok(Ok(sums.fold((0, 0), |(rows, strays), (r, s)| {
            (rows + r, strays + s)
        })))
    }

    /// Drops the table of a quarantine if nothing else is, or may come to be, in it.
    async fn tidy(&self, kept: Kept<'_>) -> Result<(), SendError> {
        let record = &kept.record.quarantine;
        let open = self
            .ledger
            .quarantines(false)
            .await
            .map_err(EngineError::from)?;
        let of_table = open
            .iter()
            .map(|open| &open.quarantine)
            .filter(|open| open.shard == record.shard && open.kept_in == record.kept_in);
        let left = kept.shard.partitions(kept.table.as_str()).await?;
        if of_table.count() <= 1 && left.found.iter().all(|partition| partition.n_rows == 0) {
            let sql = drop_quarantine(kept.shard.database(), kept.table);
            self.order(kept.shard, kept.table.as_str(), &sql).await?;
        }
        Ok(())
    }

    /// Records what became of a partition in quarantine.
    async fn note(&self, kept: Kept<'_>, state: QuarantineState, n_rows: u64) -> Left<()> {
        let mut change = kept
            .record
            .change(state, self.clock.now(), kept.tenure.token());
        change.n_rows = n_rows;
        self.record(kept.tenure, &change).await
    }

    async fn record(&self, tenure: &Tenure, change: &QuarantineChange) -> Left<()> {
        let holder = tenure.holder();
        Ok(
            match self.ledger.change_quarantine(change, &holder).await? {
                Intended::Recorded => Ok(()),
                Intended::LeaseLost => Err("the lease was lost".into()),
                Intended::Stale => Err("the ledger changed just now".into()),
            },
        )
    }

    /// Sends a statement that deletes no row that is to be read, and waits for it.
    async fn order(&self, shard: &Shard, table: &str, sql: &str) -> Result<(), WarehouseError> {
        let id = self.clock.unique_id();
        let marker = marker(table, &id);
        let request = Request {
            sql,
            query_id: &format!("ebbtide-{id}"),
            log_comment: &marker,
            marker: &marker,
            is_mutation: false,
            params: &[],
            settings: &[],
        };
        match shard.execute(&request).await {
            // Whoever ordered it looks at what it did.
            Execution::Done | Execution::Vanished { .. } => Ok(()),
            Execution::Failed { error, .. }
            | Execution::NotStarted { error }
            | Execution::Running { error, .. }
            | Execution::Unknown { error, .. } => Err(error),
        }
    }
}

fn strays_in_it(n_strays: u64) -> String {
    format!("{n_strays} of its rows are not expired for everybody")
}

fn say_left(shard: &str, partition: &str, reason: &str) {
    tracing::warn!(shard, partition, reason, "a partition stays in quarantine");
}

/// Why something could not be ordered.
enum SendError {
    Ledger(EngineError),
    Warehouse(WarehouseError),
}

impl From<WarehouseError> for SendError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(error)
    }
}

impl From<EngineError> for SendError {
    fn from(error: EngineError) -> Self {
        Self::Ledger(error)
    }
}
