//! The embedded ClickHouse, and three ways to talk to it.

use std::path::Path;

use clickhouse::Client;
use clickhouse::query::Query;
use ebbtide::{Embedded, EmbeddedOptions, ensure_libchdb};

pub const DATABASE: &str = "bench";

pub struct Server {
    embedded: Embedded,
    client: Client,
}

impl Server {
    /// Starts it on a directory that is kept; merges and mutations run at a niceness.
    pub async fn start(directory: &Path, niceness: u32) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        // It does not find the logs of its last start again, and makes no new ones over them.
        std::fs::remove_dir_all(directory.join("data/data/system")).ok();
        let explicit = std::env::var_os("EBBTIDE_LIBCHDB").map(std::path::PathBuf::from);
        let library = ensure_libchdb(explicit.as_deref(), &mut |_| {}).unwrap();
        let mut options = EmbeddedOptions::new(library);
        options.program = Some(env!("CARGO_BIN_EXE_ebbtide").into());
        options.directory = Some(directory.to_owned());
        options.config_xml = format!(
            "<max_server_memory_usage>6000000000</max_server_memory_usage>\
             <os_threads_nice_value_merge_mutate>{niceness}</os_threads_nice_value_merge_mutate>"
        );
        let embedded = Embedded::start(options).unwrap();
        let client = Client::default().with_url(embedded.url());
        let create = format!("CREATE DATABASE IF NOT EXISTS {DATABASE}");
        client.query_raw(&create).execute().await.unwrap();
        let client = client.with_database(DATABASE);
        Self { embedded, client }
    }

    pub fn url(&self) -> String {
        self.embedded.url()
    }

    /// A statement that may be long, and that waits for what it causes.
    pub fn query(&self, sql: &str) -> Query {
        self.client
            .query_raw(sql)
            .with_setting("max_query_size", "10000000")
            .with_setting("lightweight_deletes_sync", "2")
            .with_setting("mutations_sync", "2")
            .with_setting("materialize_ttl_after_modify", "0")
    }

    pub async fn execute(&self, sql: &str) {
        let done = self.query(sql).execute().await;
        done.unwrap_or_else(|error| panic!("{error}\n{sql:.2000}"));
    }

    /// The only number that a query gives.
    pub async fn number(&self, sql: &str) -> u64 {
        self.query(sql).fetch_one().await.unwrap()
    }

    /// Processor time of the whole server since it began.
    pub fn processor_ms(&self) -> u64 {
        let pid = self.embedded.pid().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name of the program ends with a bracket; user and system time are fields 14 and 15.
        let (_, fields) = text.rsplit_once(')').unwrap();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // Linux counts in hundredths of a second.
        ticks * 10
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }
}
