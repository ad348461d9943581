//! What can go wrong with the ledger.

use jiff::Timestamp;

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// It does not answer.
    #[error(
        "the ledger {url} cannot be reached; check ledger.url, and that its server runs or its \
         folder exists and can be written"
    )]
    Unreachable {
        /// Where, without credentials.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It has no schema, or an older one.
    #[error(
        "the ledger {url} is not migrated (has {found}, needs {needed}); run `ebbtide migrate`"
    )]
    NotMigrated {
        /// Where, without credentials.
        url: String,
        /// The latest migration it has, `nothing` for none.
        found: String,
        /// The latest migration this version knows.
        needed: String,
    },
    /// A newer version of Ebbtide migrated it.
    #[error(
        "the ledger {url} was migrated by a newer version (has {found}, this version knows {known}); upgrade ebbtide"
    )]
    TooNew {
        /// Where, without credentials.
        url: String,
        /// The latest migration it has.
        found: String,
        /// The latest migration this version knows.
        known: String,
    },
    /// The URL is none of a ledger.
    #[error("the ledger url {url} is not usable: {problem}")]
    BadUrl {
        /// The URL without credentials.
        url: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The server answers, but not to this user or for this database.
    #[error("the ledger {url} refuses the login; check its user, password, database and grants")]
    Refused {
        /// Where, without credentials.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Others were changing it for too long; nothing was changed.
    #[error("the ledger {url} is busy with other changes; try again")]
    Busy {
        /// Where, without credentials.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller's input ended an import; nothing was changed.
    #[error("nothing was imported: {0}")]
    Aborted(String),
    /// An instant that the ledger cannot hold.
    #[error(
        "{at} is outside of 1970 to 9999 and cannot be kept in the ledger; correct the clock or the rule"
    )]
    Instant {
        /// The instant.
        at: Timestamp,
    },
    /// There is no such cycle or step that is still open.
    #[error("the ledger has no open {what}; it was never begun, or has ended already")]
    NotOpen {
        /// The cycle or step.
        what: String,
    },
    /// A request came again under its key, but asks for something else.
    #[error("this request key was used for another request; use a new key for each request")]
    RequestKeyReused,
    /// Anything else the database said.
    #[error("the ledger could not {action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }

    /// Whether the server cannot be reached.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
