//! What can go wrong with the warehouse, and what it means for a statement that was sent.

mod lasting;

use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong with a shard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WarehouseError {
    /// The configured address is none.
    #[error("clickhouse.shards[].url {reason}; write it like http://127.0.0.1:8123")]
    Url {
        /// What is wrong; never the address itself, which may hold a password.
        reason: String,
    },
    /// TLS could not be set up.
    #[error("TLS for {shard} could not be set up{}; check clickhouse.ca_file",
        .ca_file.as_ref().map(|path| format!(" with {}", path.display())).unwrap_or_default())]
    Tls {
        /// The shard.
        shard: String,
        /// The configured file with certificates.
        ca_file: Option<PathBuf>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was no connection, so nothing was sent.
    #[error("ClickHouse at {shard} cannot be reached; check clickhouse.shards and that it runs")]
    Unreachable {
        /// The shard.
        shard: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection ended before the answer did.
    #[error("the connection to ClickHouse at {shard} broke before the answer was complete")]
    Interrupted {
        /// The shard.
        shard: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Wrong user or password.
    #[error(
        "ClickHouse at {shard} refuses the user {user} or the password; check clickhouse.user and \
         clickhouse.password_env or clickhouse.password_file"
    )]
    Authentication {
        /// The shard.
        shard: String,
        /// The user.
        user: String,
    },
    /// The database does not exist.
    #[error("ClickHouse at {shard} has no database {database}; correct clickhouse.database")]
    NoDatabase {
        /// The shard.
        shard: String,
        /// The configured database.
        database: String,
    },
    /// The user may not do what is needed.
    #[error("the user {user} lacks grants on ClickHouse at {shard}: {grants}; run: {remedy}")]
    MissingGrant {
        /// The shard.
        shard: String,
        /// The user.
        user: String,
        /// What is missing, such as `ALTER DELETE ON db.traces`.
        grants: String,
        /// The statements that grant it.
        remedy: String,
    },
    /// The server is older than what deletes need.
    #[error(
        "ClickHouse at {shard} has version {version}, and lightweight deletes as used here need \
         {minimum} or newer (tested on 26.7); upgrade the server"
    )]
    TooOld {
        /// The shard.
        shard: String,
        /// Its version.
        version: String,
        /// The oldest version that works.
        minimum: String,
    },
    /// A setting is wrong for this user, or the user may not change it.
    #[error(
        "the settings of the user {user} on ClickHouse at {shard} do not allow this: {message}"
    )]
    Setting {
        /// The shard.
        shard: String,
        /// The user.
        user: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// It took longer than allowed: the outcome is unknown.
    #[error(
        "the {what} on ClickHouse at {shard} took longer than {}: its outcome is unknown; raise \
         clickhouse.{setting} or narrow the targets", human(*.limit)
    )]
    Timeout {
        /// The shard.
        shard: String,
        /// `probe` or `statement`.
        what: &'static str,
        /// The setting with the limit.
        setting: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// A mutation of ours cannot finish; the server goes on trying until it is killed.
    #[error(
        "the mutation {id} of the table {table} on ClickHouse at {shard} fails and is tried again: \
         {reason}; remove the cause, or run: KILL MUTATION WHERE table = '{table}' AND mutation_id = '{id}'"
    )]
    Mutation {
        /// The shard.
        shard: String,
        /// The table.
        table: String,
        /// The id of the mutation.
        id: String,
        /// What the server says.
        reason: String,
    },
    /// The statement does not hold the marker that its mutation is found by; it was not sent.
    #[error("the statement does not hold its marker {marker} as a text; it was not sent")]
    NoMarker {
        /// The marker.
        marker: String,
    },
    /// A probe would read more than it may: what it would have counted is unknown.
    #[error(
        "a probe on ClickHouse at {shard} would read more rows than clickhouse.probe_rows allows, so \
         what is due is unknown; raise it or narrow the targets"
    )]
    TooManyRows {
        /// The shard.
        shard: String,
    },
    /// A partition is larger than what this user may drop.
    #[error(
        "ClickHouse at {shard} does not let the user {user} drop so large a partition: raise \
         max_partition_size_to_drop for the user, or write targets[].method: lightweight"
    )]
    TooLarge {
        /// The shard.
        shard: String,
        /// The user.
        user: String,
    },
    /// The server refused or failed.
    #[error("ClickHouse at {shard} said: {message} ({name}, code {code})")]
    Server {
        /// The shard.
        shard: String,
        /// The number of the error.
        code: u32,
        /// Its name, such as `UNKNOWN_TABLE`.
        name: String,
        /// Its text, without version and stack trace.
        message: String,
    },
    /// Something answered that is not ClickHouse, such as a proxy with its own error page.
    #[error("{shard} did not answer like ClickHouse: {text}; check clickhouse.shards")]
    NotClickHouse {
        /// The shard.
        shard: String,
        /// The beginning of the answer.
        text: String,
    },
    /// The answer has another shape than the question.
    #[error("the answer of ClickHouse at {shard} could not be read: {reason}")]
    Answer {
        /// The shard.
        shard: String,
        /// Why.
        reason: String,
    },
}

/// Codes with which a server stops waiting, while what it waited for may go on.
const STOPPED_WAITING: [u32; 6] = [
    159, // TIMEOUT_EXCEEDED
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    236, // ABORTED
    341, // UNFINISHED
    394, // QUERY_WAS_CANCELLED
];

impl WarehouseError {
    /// What the record keeps of it: kind and code, without the server's own words, which may quote
    /// values of rows. The log has all of it.
    pub fn for_the_record(&self) -> String {
        match self {
            Self::Server {
                shard, code, name, ..
            } => format!("ClickHouse at {shard} said {name} (code {code})"),
            Self::Mutation {
                shard, table, id, ..
            } => format!(
                "the mutation {id} of the table {table} on ClickHouse at {shard} fails and is tried again"
            ),
            other => other.to_string(),
        }
    }

    /// Whether the server could not be talked to, now.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Interrupted { .. })
    }

    /// Whether a probe would have taken more of the server than it may.
    pub(crate) fn is_out_of_limits(&self) -> bool {
        const MEMORY_LIMIT_EXCEEDED: u32 = 241;
        match self {
            Self::TooManyRows { .. } | Self::Timeout { .. } => true,
            Self::Server { code, .. } => *code == MEMORY_LIMIT_EXCEEDED,
            _ => false,
        }
    }

    /// Whether a statement that ended like this may have had, or may still have, an effect.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Interrupted { .. } | Self::NotClickHouse { .. } => true,
            Self::Server { code, .. } => STOPPED_WAITING.contains(code),
            _ => false,
        }
    }

    /// Whether only a person can mend it: an address, a password, a grant, a setting, a version.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::Tls { .. }
                | Self::Authentication { .. }
                | Self::NoDatabase { .. }
                | Self::MissingGrant { .. }
                | Self::TooOld { .. }
                | Self::Setting { .. }
                | Self::NoMarker { .. }
        )
    }

    /// Whether the error shows by itself that a statement had no effect: it was not sent, or was
    /// turned down before anything was registered.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Authentication { .. }
            | Self::NoDatabase { .. }
            | Self::MissingGrant { .. }
            | Self::Setting { .. }
            | Self::TooLarge { .. }
            | Self::NoMarker { .. } => true,
            // Analysis: bad arguments, unknown identifier, not implemented, unknown table,
            // syntax, unknown database, no support of this table.
            Self::Server { code, .. } => [36, 47, 48, 60, 62, 81, 344].contains(code),
            _ => false,
        }
    }

    /// Whether the server itself reported the end of the statement's query.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Server { .. })
    }
}

fn human(limit: Duration) -> String {
    if limit.subsec_millis() == 0 {
        format!("{} s", limit.as_secs())
    } else {
        format!("{} ms", limit.as_millis())
    }
}
