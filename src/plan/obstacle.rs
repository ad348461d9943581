//! What is in the way of partitions that could go as a whole, for people.

use std::fmt;
use std::sync::Arc;

use crate::guard::PauseScope;
use crate::rule::{Days, Scope};
use crate::target::MethodChoice;

/// The first that is in the way of partitions that could go as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The config says how rows go.
    Method(MethodChoice),
    /// Rows that this table refers to are kept.
    Keep(String),
    /// What one scope was asked for is nobody else's.
    Backfill,
    /// A hold is in force.
    Hold(u64),
    /// Something is paused.
    Pause(PauseScope),
    /// No rule of now was approved, or armed for long enough.
    Unapproved,
    /// Somebody's policy keeps rows.
    Policy(KeptBy),
    /// A rule or a hold means nobody knows which rows.
    Unmatched,
    /// The rows of a workspace stay in this table or one before it.
    LeftAlone(Arc<str>),
    /// Rows of a workspace are due in a table before it that is paused.
    PausedChildren(Arc<str>),
    /// Rows of a workspace wait in a table before it.
    WaitingChildren(Arc<str>),
    /// Rows that are as old go in another slot or cycle.
    Others,
    /// Rows that are not expired for everybody were counted in a partition.
    Strays {
        /// The partition.
        partition: Arc<str>,
        /// How many.
        n_rows: u64,
    },
    /// A count or a drop of a partition cannot be made.
    Undropped(String),
    /// Patches wait in them, so they cannot be moved to quarantine.
    Patches,
    /// Only their key could say that they may be moved to quarantine.
    UnknownKey,
}

/// Whose policy keeps which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBy {
    /// The scope of the rule; nothing for the default.
    pub scope: Option<Scope>,
    /// For how long; nothing where it is for ever.
    pub days: Option<Days>,
    /// Whether it is for its rule that those are kept that are older than it.
    pub is_past: bool,
    /// The revision that was approved, if the policy is of that.
    pub revision: Option<u64>,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(f, "targets[].method is {}", method.as_str()),
            Self::Keep(table) => write!(f, "keep, since {table} may refer to its rows"),
            Self::Backfill => f.write_str("a backfill is for its scope alone"),
            Self::Hold(id) => write!(f, "hold {id}"),
            Self::Pause(scope) => write!(f, "{scope} is paused"),
            Self::Unapproved => f.write_str("nothing was approved, or armed for long enough"),
            Self::Policy(kept) => kept.fmt(f),
            Self::Unmatched => f.write_str("nobody knows which rows a rule or a hold means"),
            Self::LeftAlone(workspace) => write!(f, "rows of workspace {workspace:?} stay"),
            Self::PausedChildren(workspace) => {
                write!(f, "children of workspace {workspace:?} are paused")
            }
            Self::WaitingChildren(workspace) => {
                write!(f, "children of workspace {workspace:?} wait")
            }
            Self::Others => f.write_str("rows as old are left to another slot or cycle"),
            Self::Strays { partition, n_rows } => write!(
                f,
                "rows of {partition} are not expired for everybody, or have no age or workspace: {n_rows}"
            ),
            Self::Undropped(why) => f.write_str(why),
            Self::Patches => {
                f.write_str("patches that are not applied cannot be moved to quarantine")
            }
            Self::UnknownKey => {
                f.write_str("its key does not say how old the rows are that would be moved")
            }
        }
    }
}

impl fmt::Display for KeptBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => scope.fmt(f)?,
            None => f.write_str("the default")?,
        }
        match self.days {
            _ if self.is_past => f.write_str(" keeps rows from before its rule")?,
            Some(days) => write!(f, " keeps rows for {days}")?,
            None => f.write_str(" is unlimited")?,
        }
        match self.revision {
            Some(revision) => write!(f, " as of revision {revision}, which was approved"),
            None => Ok(()),
        }
    }
}
