//! One run: a clone, a way to delete, and what that cost.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::data::{Pristine, parts};
use crate::engine::Ready;
use crate::reader::{Reader, Reads};
use crate::server::Server;
use crate::situation::Due;
use crate::way::Way;

/// How long readers read before and after the first run of a way, while nothing else happens.
const IDLE: Duration = Duration::from_secs(3);
/// The same for each run of Ebbtide: the target wants many reads.
const IDLE_OURS: Duration = Duration::from_secs(6);

/// What one run cost.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cost {
    pub wall_ms: f64,
    /// `MutationExecuteMilliseconds` of all parts.
    pub mutation_ms: u64,
    /// Processor time of the server, readers left out.
    pub processor_ms: Option<u64>,
    /// Where the time went; only of Ebbtide's.
    #[serde(default)]
    pub stages: Option<Stages>,
    pub n_statements: u64,
    pub n_mutations: u64,
    pub parts_registered: u64,
    /// Registered and not only linked again.
    pub parts_rewritten: u64,
    pub bytes_written: u64,
    pub rows_deleted: u64,
    pub disk_bytes: u64,
    /// After `APPLY DELETED MASK`; only of the first run.
    pub disk_reclaimed_bytes: Option<u64>,
    pub reclaim_ms: Option<f64>,
}

/// How long the queries of a cycle took, by what they are for, in milliseconds. What is left of its wall time is
/// Ebbtide's own, and the ledger's.
#[derive(Debug, Clone, Copy, Default, clickhouse::Row, Serialize, Deserialize)]
pub struct Stages {
    pub census: u64,
    pub counts: u64,
    pub proofs: u64,
    pub statements: u64,
    pub others: u64,
}

/// Reads before, during and after.
#[derive(Debug, Clone, Default)]
pub struct ReadsOfRun {
    pub before: Reads,
    pub during: Reads,
    pub after: Reads,
}

#[derive(clickhouse::Row, Deserialize)]
struct Mutated {
    parts_registered: u64,
    parts_untouched: u64,
    mutation_ms: u64,
    bytes_written: u64,
}

#[derive(clickhouse::Row, Deserialize)]
struct Sent {
    n_statements: u64,
    reader_ms: u64,
}

/// Clones, deletes, counts; the clone is dropped again.
pub async fn run(
    server: &Server,
    pristine: &Pristine,
    reader: &Reader,
    way: Way,
    due: &[Due],
    (is_first, with_reclaim): (bool, bool),
) -> (Cost, ReadsOfRun) {
    // A name of its own: what the server notes is found by it.
    let table = format!("run_{}", uuid::Uuid::new_v4().simple());
    pristine.clone_as(server, &table).await;
    way.prepare(server, &table).await;
    let is_hasty = way == Way::EbbtideSlots;
    let ready = Ready::new(server, &table, due, is_hasty).await;
    let idle = match (way, is_first) {
        (Way::Ebbtide, _) => IDLE_OURS,
        (_, true) => IDLE,
        (_, false) => Duration::ZERO,
    };
    let before = reader.idle(&table, idle).await;

    let stop = CancellationToken::new();
    let reading = reader.start(&table, &stop);
    let (processor_ms, from_us) = (server.processor_ms(), now_us());
    let began_at = Instant::now();
    way.delete(server, &table, due, &ready).await;
    let wall_ms = began_at.elapsed().as_secs_f64() * 1_000.0;
    let (processor_ms, to_us) = (server.processor_ms() - processor_ms, now_us());
    stop.cancel();
    let during = reading.await.unwrap();

    let left = server.number(&format!("SELECT count() FROM {table}")).await;
    let after = reader.idle(&table, idle).await;
    server.execute("SYSTEM FLUSH LOGS").await;
    let query = |sql: &str| server.query(sql).param("table", &table);
    let mutated: Mutated = query(include_str!("sql/cost.sql"))
        .fetch_one()
        .await
        .unwrap();
    let sent: Sent = query(include_str!("sql/statements.sql"))
        .param("from_us", from_us)
        .param("to_us", to_us)
        .fetch_one()
        .await
        .unwrap();
    let n_mutations: u64 = query(include_str!("sql/mutations.sql"))
        .fetch_one()
        .await
        .unwrap();
    let mut stages = None;
    if matches!(way, Way::Ebbtide | Way::EbbtidePatches) {
        let of_cycle = query(include_str!("sql/stages.sql"))
            .param("from_us", from_us)
            .param("to_us", to_us);
        stages = Some(of_cycle.fetch_one().await.unwrap());
    }
    let mut cost = Cost {
        stages,
        wall_ms,
        mutation_ms: mutated.mutation_ms,
        processor_ms: Some(processor_ms.saturating_sub(sent.reader_ms)),
        n_statements: sent.n_statements,
        n_mutations,
        parts_registered: mutated.parts_registered,
        parts_rewritten: mutated.parts_registered - mutated.parts_untouched,
        bytes_written: mutated.bytes_written,
        rows_deleted: pristine.n_rows - left,
        disk_bytes: parts(server, &table).await.disk_bytes,
        disk_reclaimed_bytes: None,
        reclaim_ms: None,
    };
    if with_reclaim {
        let began_at = Instant::now();
        // Patches are only masks once they are applied; elsewhere there are none to apply.
        for apply in ["PATCHES", "DELETED MASK"] {
            if apply == "DELETED MASK" || way == Way::EbbtidePatches {
                server
                    .execute(&format!("ALTER TABLE {table} APPLY {apply}"))
                    .await;
            }
        }
        cost.reclaim_ms = Some(began_at.elapsed().as_secs_f64() * 1_000.0);
        cost.disk_reclaimed_bytes = Some(parts(server, &table).await.disk_bytes);
    }
    server.execute(&format!("DROP TABLE {table} SYNC")).await;
    (
        cost,
        ReadsOfRun {
            before,
            during,
            after,
        },
    )
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

impl ReadsOfRun {
    pub fn extend(&mut self, more: &Self) {
        self.before.extend(&more.before);
        self.during.extend(&more.during);
        self.after.extend(&more.after);
    }
}
