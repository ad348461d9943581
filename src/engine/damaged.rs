//! Workspaces whose children may be left: their parents stay in this cycle.

use std::sync::Arc;

use foldhash::HashSet;

use crate::plan::{Method, Step};

/// Such workspaces of a shard.
#[derive(Default)]
pub(super) struct Damaged {
    workspaces: HashSet<Arc<str>>,
    /// Partitions that were not dropped hold rows of anybody.
    everybody: bool,
}

impl Damaged {
    /// Whether children of a workspace may be left.
    pub(super) fn contains(&self, workspace: &str) -> bool {
        self.everybody || self.workspaces.contains(workspace)
    }

    /// Whether no children are left.
    pub(super) fn is_nobody(&self) -> bool {
        !self.everybody && self.workspaces.is_empty()
    }

    /// Notes the workspaces of a step whose rows are left, or may be.
    pub(super) fn note(&mut self, step: &Step, workspaces: impl IntoIterator<Item = Arc<str>>) {
        self.everybody |= step.method == Method::Partition;
        self.workspaces.extend(workspaces);
    }
}
