//! Why a cycle cannot be planned or applied at all.

use crate::ledger::{DirectoryError, LedgerError};
use crate::pace::Window;
use crate::plan::Refusal;
use crate::resolve::AmbiguousWorkspace;
use crate::rule::RuleSetError;
use crate::target::TargetProblem;
use crate::warehouse::WarehouseError;

/// Why a cycle cannot be planned or applied at all. What concerns one shard, table or step is part
/// of the plan or the report instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The ledger failed; without it nothing is deleted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The operator's own directory failed; without it nobody knows which rules hold.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Two organizations claim one workspace.
    #[error(transparent)]
    Ambiguous(#[from] AmbiguousWorkspace),
    /// ClickHouse refuses in a way that concerns the configuration.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// Two active rules for one scope.
    #[error(transparent)]
    RuleSet(#[from] RuleSetError),
    /// Rules that make no sense under this configuration.
    #[error("{} in the ledger cannot be used; nothing is deleted until this is mended\n{}", count(problems.len(), "rule"), lines(problems))]
    Rules {
        /// Each with its number, scope and remedy.
        problems: Vec<String>,
    },
    /// Targets that do not fit the tables.
    #[error("{} with the configured targets\n{}", count(problems.len(), "problem"), lines(problems))]
    Targets {
        /// Each with its table and remedy.
        problems: Vec<TargetProblem>,
    },
    /// No shard answers.
    #[error("no shard of ClickHouse can be reached\n{}", lines(reasons))]
    NoShard {
        /// Why, for each.
        reasons: Vec<String>,
    },
    /// The clock of this machine and that of a server are far apart.
    #[error(
        "the clock of this machine is {} s {} that of {server}, more than \
         serve.max_clock_skew allows; nobody can say how old rows and rules are; synchronise the clocks",
        ahead_s.unsigned_abs(),
        if *ahead_s < 0 { "behind" } else { "ahead of" }
    )]
    Clock {
        /// ClickHouse at a shard, or the ledger.
        server: String,
        /// By how many seconds; negative if it is behind.
        ahead_s: i64,
    },
    /// The operator's directory has no row, although rules of organizations depend on it.
    #[error(
        "the directory query returned nothing, but there are rules of organizations; without the \
         directory nobody knows whom they mean; correct directory.query"
    )]
    EmptyDirectory,
    /// A guard forbids the plan.
    #[error("refused\n{}", lines(refusals))]
    Refused {
        /// The guards and their reasons.
        refusals: Vec<Refusal>,
    },
    /// The world is not that of the plan any more.
    #[error(
        "the plan is stale, and nothing of it was applied; make it again\n{}",
        lines(changes)
    )]
    Stale {
        /// What changed.
        changes: Vec<String>,
    },
    /// It was told to stop before anything was sent.
    #[error("told to stop before anything was sent; the next cycle goes on")]
    Stopped,
    /// It is not the time of day in which statements are sent.
    #[error("nothing is deleted outside of pace.window {window} (UTC); it opens at {opens_at}")]
    Closed {
        /// The configured window.
        window: Window,
        /// When it opens.
        opens_at: jiff::Timestamp,
    },
    /// Another instance holds the lease.
    #[error(
        "{holder} is at work and holds the lease until {until}, unless it is renewed; try again later"
    )]
    Busy {
        /// The instance.
        holder: String,
        /// When its lease ends, by the clock of the ledger's database.
        until: jiff::Timestamp,
    },
    /// Rules kept changing while they were read.
    #[error(
        "rules changed during each of {n_reads} attempts to read them; try again when an import is over"
    )]
    Unsettled {
        /// Attempts.
        n_reads: u32,
    },
}

impl EngineError {
    /// Whether a server cannot be reached; trying later may help.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Ledger(error) | Self::Directory(DirectoryError::Server(error)) => {
                error.is_unreachable()
            }
            Self::Warehouse(error) => error.is_unreachable(),
            Self::NoShard { .. } => true,
            _ => false,
        }
    }
}

fn lines(items: &[impl ToString]) -> String {
    items
        .iter()
        .map(|item| format!("  {}", item.to_string()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
