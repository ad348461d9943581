//! The real servers that the tests use. One of each per test process, a database per test.
//!
//! Where a server comes from, in this order: `EBBTIDE_TEST_CLICKHOUSE_URL` and
//! `EBBTIDE_TEST_MYSQL_URL`; the feature `testcontainers`; the embedded ClickHouse and a private
//! `mariadbd`. A server that cannot be had fails the test.

mod approval;
mod clickhouse;
#[cfg(feature = "testcontainers")]
mod containers;
mod dead;
mod grants;
mod mariadb;
mod mysql;
mod network;
mod pace;
mod wait;

pub use approval::approve;
pub use clickhouse::{TestDatabase, embedded_options};
pub use dead::DeadStep;
pub use grants::with_system_grants;
pub use mariadb::Mariadb;
pub use mysql::TestMysql;
pub use network::Network;
pub use pace::{PACE, with_pace};
pub use wait::wait_until;

/// Runs a future to its end, also inside the runtime of a test.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    let run = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(future)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// The ledger of a configuration, with its tables.
pub async fn ledger_of(config: &ebbtide::Config) -> std::sync::Arc<dyn ebbtide::Ledger> {
    let ledger = ebbtide::connect_ledger(&config.ledger.url, None).await;
    let ledger = ledger.unwrap();
    ledger.migrate().await.unwrap();
    ledger
}

/// A name that no other test uses.
fn unique_name() -> String {
    format!("ebbtide_test_{}", uuid::Uuid::new_v4().simple())
}
