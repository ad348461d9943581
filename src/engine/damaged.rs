//! Workspaces whose children may be left: their parents stay in this cycle.

use std::sync::Arc;

use foldhash::HashSet;

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

    pub(super) fn extend(&mut self, workspaces: impl IntoIterator<Item = Arc<str>>) {
        self.workspaces.extend(workspaces);
    }

    pub(super) fn everybody(&mut self) {
        self.everybody = true;
    }
}
