//! What a pause stops.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a pause stops.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseScope {
    /// Everything.
    Everything,
    /// One target, by the name of its table.
    Target(Arc<str>),
    /// One workspace.
    Workspace(Arc<str>),
}

impl PauseScope {
    /// The word for this kind of scope: `everything`, `target` or `workspace`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Target(_) => "target",
            Self::Workspace(_) => "workspace",
        }
    }

    /// The name of the target or workspace.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Everything => None,
            Self::Target(name) | Self::Workspace(name) => Some(name),
        }
    }
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Target(name) => write!(f, "target {name:?}"),
            Self::Workspace(name) => write!(f, "workspace {name:?}"),
        }
    }
}
