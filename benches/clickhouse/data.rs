//! The same spans in three layouts, made once and cloned for every run.

use crate::server::Server;

/// Midnight of 2026-11-21, UTC: the end of the data and the day of every cycle.
pub const MIDNIGHT_MS: i64 = 1_795_219_200_000;
pub const DAY_MS: i64 = 86_400_000;
pub const N_DAYS: i64 = 98;
pub const N_WORKSPACES: u32 = 1_000;
/// One insert a week.
const N_INSERTS: u64 = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Unpartitioned,
    Weekly,
    Daily,
}

impl Layout {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unpartitioned => "unpartitioned",
            Self::Weekly => "weekly",
            Self::Daily => "daily",
        }
    }

    fn partition_by(self) -> &'static str {
        match self {
            Self::Unpartitioned => "",
            Self::Weekly => {
                "PARTITION BY toYYYYMMDD(toDate32(id_at) - toIntervalDay(toDayOfWeek(id_at, 1)))"
            }
            Self::Daily => "PARTITION BY toYYYYMMDD(id_at)",
        }
    }
}

/// A workspace's name: as long as the UUIDs of the real ones.
pub fn workspace(number: u32) -> String {
    format!("018f3a5c-0000-7000-8000-{number:012}")
}

/// Spans of one size in one layout.
pub struct Pristine {
    pub table: String,
    pub n_rows: u64,
    pub n_parts: u64,
}

#[derive(clickhouse::Row, serde::Deserialize)]
pub struct Parts {
    pub n_parts: u64,
    pub disk_bytes: u64,
}

impl Pristine {
    /// Makes the spans, unless they are there already.
    pub async fn make(server: &Server, n_rows: u64, layout: Layout) -> Self {
        let table = format!("spans_{n_rows}_{}", layout.name());
        let rows = server.query(include_str!("sql/rows.sql"));
        let rows: u64 = rows.param("table", &table).fetch_one().await.unwrap();
        if rows != n_rows {
            println!("making {n_rows} spans, {}", layout.name());
            fill(server, &table, n_rows, layout).await;
        }
        let Parts { n_parts, .. } = parts(server, &table).await;
        Self {
            table,
            n_rows,
            n_parts,
        }
    }

    /// A table with the same parts, which are not copied.
    pub async fn clone_as(&self, server: &Server, name: &str) {
        server
            .execute(&format!("DROP TABLE IF EXISTS {name} SYNC"))
            .await;
        server
            .execute(&format!("CREATE TABLE {name} CLONE AS {}", self.table))
            .await;
        let cloned = parts(server, name).await;
        assert_eq!(cloned.n_parts, self.n_parts, "every run starts alike");
    }
}

pub async fn parts(server: &Server, table: &str) -> Parts {
    let query = server.query(include_str!("sql/parts.sql"));
    query.param("table", table).fetch_one().await.unwrap()
}

async fn fill(server: &Server, table: &str, n_rows: u64, layout: Layout) {
    server
        .execute(&format!("DROP TABLE IF EXISTS {table} SYNC"))
        .await;
    // Without merges between the runs of a comparison; all else is as the schema of the demo has it.
    let (_, spans) = include_str!("../../sql/demo/schema/spans.sql")
        .split_once("CREATE TABLE spans")
        .unwrap();
    server
        .execute(&format!(
            "CREATE TABLE {table} {spans} {} \
             SETTINGS index_granularity = 8192, max_bytes_to_merge_at_max_space_in_pool = 1",
            layout.partition_by()
        ))
        .await;
    let n_each = n_rows / N_INSERTS;
    for number in 0..N_INSERTS {
        let insert = server.query(include_str!("sql/generate.sql"));
        insert
            .param("table", table)
            .param("midnight_ms", MIDNIGHT_MS)
            .param("days", N_DAYS)
            .param("workspaces", N_WORKSPACES)
            .param("n_all", n_rows)
            .param("first", n_each * number)
            .param("n", n_each)
            // One part for each insert and partition.
            .with_setting("max_insert_threads", "1")
            .with_setting("max_threads", "1")
            .with_setting("min_insert_block_size_rows", "10000000")
            .with_setting("min_insert_block_size_bytes", "8000000000")
            .execute()
            .await
            .unwrap();
    }
}
