//! One shard: where it is, and the two ways to talk to it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Compression, RowOwned, RowRead};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use super::WarehouseError;
use super::answer::{Asker, Patience};
use super::http::{self, Connections};

/// Where a shard is and how patient to be with it.
#[derive(Clone)]
pub struct ShardOptions {
    /// `http://host:8123` or `https://host:8443`. A user and password inside win over the fields
    /// below and are never printed.
    pub url: String,
    /// The database of all targets.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Option<SecretString>,
    /// Certificates (PEM) to trust instead of the built-in roots.
    pub ca_file: Option<PathBuf>,
    /// Whether answers are compressed.
    pub compression: bool,
    /// How long a probe may take, here and on the server.
    pub probe_timeout: Duration,
    /// How long to wait for the answer to a statement.
    pub statement_timeout: Duration,
    /// How long to ask what became of a statement whose answer was lost.
    pub settle_timeout: Duration,
    /// Threads of one probe.
    pub probe_threads: u32,
    /// Rows that a probe may read; 0 for any number.
    pub probe_rows: u64,
    /// Workspaces in parts that a census may tell apart; 0 for any number.
    pub probe_groups: u64,
    /// Probes at once.
    pub probe_concurrency: u32,
    /// The server's workload that probes and statements belong to.
    pub workload: Option<String>,
}

impl ShardOptions {
    /// The defaults for an address: database and user `default`, no password, compression, a
    /// minute for probes, an hour for statements, ten minutes to settle, two threads.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            database: "default".into(),
            user: "default".into(),
            password: None,
            ca_file: None,
            compression: true,
            probe_timeout: Duration::from_mins(1),
            statement_timeout: Duration::from_hours(1),
            settle_timeout: Duration::from_mins(10),
            probe_threads: 2,
            probe_rows: 0,
            probe_groups: 0,
            probe_concurrency: 2,
            workload: None,
        }
    }
}

impl fmt::Debug for ShardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardOptions")
            .field("database", &self.database)
            .field("user", &self.user)
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

/// A connection to one shard. Clones share it.
#[derive(Debug, Clone)]
pub struct Shard {
    pub(super) asker: Asker,
    /// Without any setting, for servers whose version is not known yet.
    pub(super) plain: Client,
    /// For reading only.
    pub(super) probes: Client,
    /// For deletes.
    pub(super) statements: Client,
    pub(super) probe: Patience,
    /// Rows of the user that a count may read; 0 for any number.
    probe_rows: u64,
    /// Groups that a census may make; 0 for any number.
    pub(super) probe_groups: u64,
    /// Leave to read a table of the user; those of the server itself need none.
    pub(super) turns: Arc<Semaphore>,
    pub(super) statement: Patience,
    pub(super) settle_timeout: Duration,
}

impl Shard {
    /// Prepares to talk to a shard; nothing is sent yet.
    ///
    /// # Errors
    /// [`WarehouseError::Url`] for an address that is none, [`WarehouseError::Tls`] for a file of
    /// certificates that cannot be used.
    pub fn new(options: ShardOptions) -> Result<Self, WarehouseError> {
        let address = Address::parse(&options.url)?;
        let probe_settings = probe_settings(&options);
        let asker = Asker {
            shard: address.name,
            user: address.user.unwrap_or(options.user),
            database: options.database,
        };
        let password = address.password.or(options.password);
        let ca_file = options.ca_file;
        let client = |connections| {
            let client = http::client(ca_file.as_deref(), connections).map_err(|source| {
                WarehouseError::Tls {
                    shard: asker.shard.clone(),
                    ca_file: ca_file.clone(),
                    source,
                }
            })?;
            let client = client
                .with_url(address.url.as_str())
                .with_database(&asker.database)
                .with_user(&asker.user)
                .with_product_info("ebbtide", env!("CARGO_PKG_VERSION"))
                .with_compression(if options.compression {
                    Compression::Lz4
                } else {
                    Compression::None
                });
            Ok(match &password {
                Some(password) => client.with_password(password.expose_secret()),
                None => client,
            })
        };
        let plain: Client = client(Connections::Reused)?;
        let in_workload = |client: Client| match &options.workload {
            Some(workload) => client.with_setting("workload", workload),
            None => client,
        };
        let probes = probe_settings
            .into_iter()
            .fold(in_workload(plain.clone()), |client, (name, value)| {
                client.with_setting(name, value)
            });
        let statements = in_workload(client(Connections::Fresh)?)
            // The server stops waiting too, or each lost answer would keep one of its threads.
            .with_setting("max_execution_time", seconds(options.statement_timeout))
            .with_setting("max_query_size", MAX_QUERY_SIZE)
            .with_setting("transform_null_in", "0");
        let at_once = usize::try_from(options.probe_concurrency).unwrap_or(1);
        Ok(Self {
            asker,
            plain,
            probes,
            probe_rows: options.probe_rows,
            probe_groups: options.probe_groups,
            statements,
            probe: Patience {
                what: "probe",
                setting: "probe_timeout",
                limit: options.probe_timeout,
            },
            statement: Patience {
                what: "statement",
                setting: "statement_timeout",
                limit: options.statement_timeout,
            },
            settle_timeout: options.settle_timeout,
            turns: Arc::new(Semaphore::new(at_once.max(1))),
        })
    }

    /// The address without credentials.
    pub fn name(&self) -> &str {
        &self.asker.shard
    }

    /// The database of the targets.
    pub fn database(&self) -> &str {
        &self.asker.database
    }

    /// A count of rows of the user. So many it may read, and no more.
    pub(super) fn counting(&self, sql: &str) -> Query {
        let query = self.probes.query_raw(sql);
        query.with_setting("max_rows_to_read", self.probe_rows.to_string())
    }

    /// All rows of a read, or an error: never a part of them.
    pub(super) async fn fetch<T>(&self, query: Query) -> Result<Vec<T>, WarehouseError>
    where
        T: RowOwned + RowRead,
    {
        match tokio::time::timeout(self.probe.limit, query.fetch_all::<T>()).await {
            Ok(rows) => rows.map_err(|error| self.asker.translate(error, self.probe)),
            Err(_) => Err(self.asker.out_of_patience(self.probe)),
        }
    }

    /// [`Shard::fetch`] of a read of the user's tables: so many at once, and no more.
    pub(super) async fn fetch_in_turn<T>(&self, query: Query) -> Result<Vec<T>, WarehouseError>
    where
        T: RowOwned + RowRead,
    {
        // Nobody closes it; without leave there is none to give back.
        let _turn = self.turns.acquire().await.ok();
        self.fetch(query).await
    }

    /// The only row of a read.
    pub(super) async fn fetch_one<T>(&self, query: Query) -> Result<T, WarehouseError>
    where
        T: RowOwned + RowRead,
    {
        let rows = self.fetch(query).await?;
        self.only_row(rows)
    }

    /// [`Shard::fetch_one`] of a read of the user's tables: so many at once, and no more.
    pub(super) async fn fetch_one_in_turn<T>(&self, query: Query) -> Result<T, WarehouseError>
    where
        T: RowOwned + RowRead,
    {
        let rows = self.fetch_in_turn(query).await?;
        self.only_row(rows)
    }

    fn only_row<T>(&self, rows: Vec<T>) -> Result<T, WarehouseError> {
        rows.into_iter()
            .next()
            .ok_or_else(|| WarehouseError::Answer {
                shard: self.asker.shard.clone(),
                reason: "it has no row, and one was expected".into(),
            })
    }
}

/// The server's default, above the largest statement; a profile may have less.
const MAX_QUERY_SIZE: &str = "262144";

/// What a probe runs under: it cannot write, is bounded, yields to users, ends when nobody listens,
/// and sees all rows or fails, whatever the profile of the user says.
fn probe_settings(options: &ShardOptions) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("readonly", "2".to_owned()),
        ("max_execution_time", seconds(options.probe_timeout)),
        ("max_threads", options.probe_threads.max(1).to_string()),
        ("priority", "10".to_owned()),
        // Where the server may (CAP_SYS_NICE), its threads for us yield to those for users.
        ("os_thread_priority", "19".to_owned()),
        (
            "cancel_http_readonly_queries_on_client_close",
            "1".to_owned(),
        ),
        // Errors come instead of rows, not after the first of them.
        ("wait_end_of_query", "1".to_owned()),
        // A remembered count must not decide what is deleted, or that nothing is left.
        ("use_query_cache", "0".to_owned()),
        ("final", "0".to_owned()),
        ("limit", "0".to_owned()),
        ("offset", "0".to_owned()),
        // Rows that are masked are gone, mutations that are not finished have not happened.
        ("apply_deleted_mask", "1".to_owned()),
        ("apply_patch_parts", "1".to_owned()),
        ("apply_mutations_on_fly", "0".to_owned()),
        ("additional_table_filters", "{}".to_owned()),
        // An estimate of what other replicas read is empty, and would look like nothing.
        ("enable_parallel_replicas", "0".to_owned()),
        ("transform_null_in", "0".to_owned()),
        ("max_query_size", MAX_QUERY_SIZE.to_owned()),
    ];
    let partial = [
        "timeout_overflow_mode",
        "read_overflow_mode",
        "result_overflow_mode",
        "group_by_overflow_mode",
        "set_overflow_mode",
        "join_overflow_mode",
        "sort_overflow_mode",
        "distinct_overflow_mode",
        "transfer_overflow_mode",
    ];
    settings.extend(partial.map(|name| (name, "throw".to_owned())));
    settings
}

/// Whole seconds, at least one: 0 would mean no limit.
fn seconds(duration: Duration) -> String {
    let rounded_up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    rounded_up.max(1).to_string()
}

/// A configured address, taken apart.
struct Address {
    url: Url,
    name: String,
    user: Option<String>,
    password: Option<SecretString>,
}

impl Address {
    fn parse(text: &str) -> Result<Self, WarehouseError> {
        let wrong = |reason: &str| WarehouseError::Url {
            reason: reason.to_owned(),
        };
        let mut url =
            Url::parse(text).map_err(|error| wrong(&format!("is no address ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("does not begin with http:// or https://"));
        }
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| wrong("has credentials that are not UTF-8"))
        };
        let user = match url.username() {
            "" => None,
            user => Some(decoded(user)?),
        };
        let password = match url.password() {
            None => None,
            Some(password) => Some(SecretString::from(decoded(password)?)),
        };
        let no_credentials = url.set_username("").and_then(|()| url.set_password(None));
        no_credentials.map_err(|()| wrong("has no host"))?;
        url.set_query(None);
        url.set_fragment(None);
        let name = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            url,
            name,
            user,
            password,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_an_address_work_and_are_never_shown() {
        let mut options = ShardOptions::new("https://some%40one:top%2Fsecret@host:8443/?a=b");
        options.password = Some(SecretString::from("other secret"));
        let shown = format!("{options:?}");
        let shard = Shard::new(options).unwrap();
        assert_eq!(shard.name(), "https://host:8443");
        assert_eq!(shard.asker.user, "some@one");
        let shown = format!("{shown} {shard:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_showing_it() {
        for text in [
            "",
            "host:8123",
            "tcp://u:secret@h:9000",
            "http://u:secret@",
            "http://u:secret@h:x",
        ] {
            let error = Shard::new(ShardOptions::new(text)).unwrap_err().to_string();
            assert!(error.contains("clickhouse.shards[].url"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_of_certificates_is_named() {
        let mut options = ShardOptions::new("https://h");
        options.ca_file = Some("no/such.pem".into());
        let error = Shard::new(options).unwrap_err();
        assert!(error.to_string().contains("no/such.pem"), "{error}");
    }

    #[test]
    fn a_limit_is_never_rounded_to_none() {
        assert_eq!(seconds(Duration::ZERO), "1");
        assert_eq!(seconds(Duration::from_millis(1500)), "2");
        assert_eq!(seconds(Duration::from_mins(1)), "60");
    }
}
