//! Bringing partitions back from quarantine.
//!
//! Invariant: where a person asks for it, the table is paused before the first row is back, since
//! what comes back is due again.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::super::{Engine, EngineError, Tenure, error_chain};
use super::{Kept, Left, SendError};
use crate::compile;
use crate::guard::PauseScope;
use crate::ledger::{NewPause, QuarantineRecord, QuarantineState};
use crate::target::QuarantineTable;

/// What became of a partition that was to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// The shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: String,
    /// Rows that are back; nothing where it could not be brought back.
    pub n_rows: Option<u64>,
    /// Why not.
    pub error: Option<String>,
}

impl Engine {
    /// Pauses the tables of partitions that are to come back. It needs no lease: whoever has it drops
    /// none of them from then on.
    ///
    /// # Errors
    /// [`EngineError::Ledger`].
    pub async fn pause_for_undo(
        &self,
        chosen: &[QuarantineRecord],
        by: &str,
    ) -> Result<(), EngineError> {
        let mut tables: Vec<&str> = chosen
            .iter()
            .map(|record| record.quarantine.table.as_str())
            .collect();
        tables.sort_unstable();
        tables.dedup();
        for table in tables {
            let pause = NewPause {
                scope: PauseScope::Target(table.into()),
                reason: "partitions were brought back from quarantine".into(),
                created_at: self.clock.now(),
            };
            self.ledger.pause(&pause, by.into()).await?;
        }
        Ok(())
    }

    /// Brings partitions back from quarantine, and pauses their tables: by the rules of now the next
    /// cycle would take their rows again.
    ///
    /// # Errors
    /// [`EngineError::Ledger`]; what ClickHouse refuses is said of each partition.
    pub async fn undo(
        &self,
        chosen: &[QuarantineRecord],
        by: &str,
        tenure: &Tenure,
        stop: &CancellationToken,
    ) -> Result<Vec<Undone>, EngineError> {
        self.pause_for_undo(chosen, by).await?;
        let mut undone = Vec::with_capacity(chosen.len());
        for record in chosen {
            let result = if stop.is_cancelled() || !tenure.may_send() {
                Err("told to stop, or the lease was lost".into())
            } else {
                self.undo_one(record, tenure).await?
            };
            let (n_rows, error) = match result {
                Ok(n_rows) => (Some(n_rows), None),
                Err(reason) => (None, Some(reason)),
            };
            undone.push(Undone {
                shard: record.quarantine.shard.clone(),
                table: record.quarantine.table.clone(),
                partition: record.quarantine.partition.clone(),
                n_rows,
                error,
            });
        }
        Ok(undone)
    }

    async fn undo_one(&self, record: &QuarantineRecord, tenure: &Tenure) -> Left<u64> {
        let mut shards = self.warehouse.shards().iter();
        let shard = shards.find(|shard| shard.name() == record.quarantine.shard);
        let Some(shard) = shard else {
            return Ok(Err(format!(
                "there is no shard {} in the configuration",
                record.quarantine.shard
            )));
        };
        let Some(table) = QuarantineTable::parse(&record.quarantine.kept_in) else {
            return Ok(Err("its table has a foreign name".into()));
        };
        let kept = Kept {
            shard,
            record,
            table: &table,
            tenure,
        };
        if record.state == QuarantineState::Moving {
            match self.is_moved(kept).await {
                Ok(true) => {}
                Ok(false) => return Ok(Err("it is still being moved".into())),
                Err(error) => return Ok(Err(error_chain(&error))),
            }
        }
        self.bring_back(kept).await
    }

    /// Moves a partition back into its table; returns how many rows.
    pub(super) async fn bring_back(&self, kept: Kept<'_>) -> Left<u64> {
        let new = &kept.record.quarantine;
        let began = kept.record.state == QuarantineState::Undoing;
        let n_there = match kept.shard.partitions(kept.table.as_str()).await {
            Ok(there) => there.n_rows_of(&new.partition),
            Err(error) => return Ok(Err(error_chain(&error))),
        };
        if !began {
            if n_there == 0 && kept.record.n_rows > 0 {
                let reason = "its rows are not in quarantine any more";
                return Ok(Err(reason.into()));
            }
            let n_rows = kept.record.n_rows;
            let noted = self.note(kept, QuarantineState::Undoing, n_rows).await?;
            if let Err(reason) = noted {
                return Ok(Err(reason));
            }
        }
        let sent = async {
            // Where it was half done before, what is not there any more is back.
            if n_there > 0 {
                let database = kept.shard.database();
                let sql = compile::bring_back(database, kept.table, &new.partition, &new.table);
                self.order(kept.shard, &new.table, &sql).await?;
                let left = kept.shard.partitions(kept.table.as_str()).await?;
                if left.n_rows_of(&new.partition) > 0 {
                    return Ok(Err("rows are left in quarantine".to_owned()));
                }
            }
            self.tidy(kept).await?;
            // Counted as it was moved, or else as it was found.
            Ok(Ok(match kept.record.n_rows {
                0 => n_there,
                n_rows => n_rows,
            }))
        };
        match sent.await {
            Ok(Ok(n_rows)) => {
                let noted = self.note(kept, QuarantineState::Undone, n_rows).await?;
                Ok(noted.map(|()| n_rows))
            }
            Ok(Err(reason)) => Ok(Err(reason)),
            Err(SendError::Ledger(error)) => Err(error),
            Err(SendError::Warehouse(error)) => Ok(Err(error_chain(&error))),
        }
    }
}
