//! How busy a server is, for a table: what it has to do already, and what a small read feels.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::pace::Readings;
use crate::sql::sql;

/// A server that takes longer to say how busy it is, is too busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// The middle one of so many small reads stands for all of them.
const N_READS: usize = 3;

#[derive(clickhouse::Row, Deserialize)]
struct LoadRow {
    parts_mutating: f64,
    unfinished_mutations: f64,
    most_parts: f64,
    delay_at_of_table: f64,
    delay_at_of_server: f64,
    replication_lag_s: f64,
    replication_queue: f64,
    free_disk_share: f64,
}

impl Shard {
    /// How busy the server is, for a table of the database. What takes long usually is not known
    /// here: it stands as long as it took.
    ///
    /// # Errors
    /// When the server cannot be asked, or does not answer within seconds.
    pub async fn load(&self, table: &str) -> Result<Readings, WarehouseError> {
        let read = async {
            let query = self
                .probes
                .query_raw(sql!("clickhouse/load.sql"))
                .with_setting("max_execution_time", PATIENCE.as_secs().to_string())
                .param("table", table);
            let row: LoadRow = self.fetch_one(query).await?;
            Ok::<_, WarehouseError>((row, self.latency(table).await?))
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        let (row, latency) = read.unwrap_or_else(|_| {
            let reason = format!("it did not come within {} s", PATIENCE.as_secs());
            Err(WarehouseError::Answer {
                shard: self.asker.shard.clone(),
                reason,
            })
        })?;
        let latency_ms = latency.as_secs_f64() * 1_000.0;
        Ok(Readings {
            parts_mutating: row.parts_mutating,
            unfinished_mutations: row.unfinished_mutations,
            parts_share: row.parts_share(),
            replication_lag_s: row.replication_lag_s,
            replication_queue: row.replication_queue,
            free_disk_share: row.free_disk_share,
            latency_ms,
            usual_latency_ms: latency_ms,
        })
    }

    /// How long a small read of the table takes, the way there and back included.
    async fn latency(&self, table: &str) -> Result<Duration, WarehouseError> {
        let mut took = Vec::with_capacity(N_READS);
        for _ in 0..N_READS {
            let query = self
                .probes
                .query_raw(sql!("clickhouse/foreground_read.sql"))
                // Like a user's, it does not stand back.
                .with_setting("priority", "0")
                .with_setting("os_thread_priority", "0")
                .with_setting("max_execution_time", PATIENCE.as_secs().to_string())
                .param("table", table);
            let began = Instant::now();
            let read = query.execute().await;
            read.map_err(|error| self.asker.translate(error, self.probe))?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        Ok(took.get(N_READS / 2).copied().unwrap_or(PATIENCE))
    }
}

impl LoadRow {
    /// Active parts in the fullest partition, as a share of where inserts are delayed.
    fn parts_share(&self) -> f64 {
        let delay_at = if self.delay_at_of_table > 0.0 {
            self.delay_at_of_table
        } else {
            self.delay_at_of_server
        };
        // 0 means that inserts are never delayed.
        if delay_at == 0.0 {
            0.0
        } else {
            self.most_parts / delay_at
        }
    }
}
