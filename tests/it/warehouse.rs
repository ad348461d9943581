//! The warehouse against a real server.

mod outcome;
mod period;
mod proxy;
mod reading;
mod refusal;

use std::time::Duration;

use ebbtide::{Execution, Request, Shard, ShardOptions};

use crate::support::{TestDatabase, block_on};

/// A table with parts and rows, and the shard that the engine would use.
struct Bench {
    database: TestDatabase,
    shard: Shard,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(adjust: impl FnOnce(&mut ShardOptions)) -> Self {
        let database = block_on(TestDatabase::create());
        let mut options = options(&database);
        adjust(&mut options);
        let shard = Shard::new(options).unwrap();
        Self { database, shard }
    }

    /// `t`: 100 rows, ids 0 to 99.
    async fn with_rows(self) -> Self {
        self.run("CREATE TABLE t (w String, id UInt64) ENGINE = MergeTree ORDER BY (w, id)")
            .await;
        self.run("INSERT INTO t SELECT 'a', number FROM numbers(100)")
            .await;
        self
    }

    async fn run(&self, sql: &str) {
        self.database
            .client()
            .query_raw(sql)
            .execute()
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn number(&self, sql: &str) -> u64 {
        self.database
            .client()
            .query_raw(sql)
            .fetch_one::<u64>()
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn rows(&self) -> u64 {
        self.number("SELECT count() FROM t").await
    }

    /// Mutations that hold the marker: more than one would be a statement sent twice.
    async fn mutations(&self, marker: &str) -> u64 {
        self.database
            .client()
            .query_raw(
                "SELECT count() FROM system.mutations WHERE database = currentDatabase() \
                 AND position(command, {marker:String}) > 0",
            )
            .param("marker", marker)
            .fetch_one::<u64>()
            .await
            .unwrap()
    }

    async fn kill_mutations(&self) {
        self.run("KILL MUTATION WHERE database = currentDatabase() AND table = 't'")
            .await;
    }

    /// Waits until the mutation with the marker is registered.
    async fn until_registered(&self, marker: &str) {
        let wait = async {
            while self.mutations(marker).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("no mutation appeared");
    }

    async fn delete(&self, condition: &str, marker: &str) -> Execution {
        delete_on(&self.shard, condition, marker).await
    }
}

fn options(database: &TestDatabase) -> ShardOptions {
    let mut options = ShardOptions::new(database.url());
    options.database = database.name().into();
    options.user = database.user().into();
    options.password = Some(database.password().to_owned().into());
    options.probe_timeout = Duration::from_secs(20);
    options.statement_timeout = Duration::from_mins(1);
    options.settle_timeout = Duration::from_secs(30);
    options
}

/// Deletes from `t` as the engine does: with the marker in the predicate.
async fn delete_on(shard: &Shard, condition: &str, marker: &str) -> Execution {
    let sql = format!("DELETE FROM t WHERE {condition} AND '{marker}' != ''");
    let query_id = format!("{}-{marker}", shard.database());
    shard
        .execute(&Request {
            sql: &sql,
            query_id: &query_id,
            log_comment: marker,
            marker,
            is_mutation: true,
            settings: &[],
        })
        .await
}
