//! Which partitions a statement or a probe looks at.

use std::sync::Arc;

use foldhash::HashSet;

use super::writer::Sql;

/// The partitions that a probe counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Within<'a> {
    /// All of them.
    #[default]
    Table,
    /// These, by id.
    Only(&'a [Arc<str>]),
    /// All but these, by id.
    Except(&'a [Arc<str>]),
}

impl<'a> Within<'a> {
    /// What a step looks at: all of the table where it names no partition.
    pub fn step(partitions: &'a [Arc<str>]) -> Self {
        if partitions.is_empty() {
            Self::Table
        } else {
            Self::Only(partitions)
        }
    }

    /// Whether a partition is one of them, for any number of partitions.
    pub(crate) fn has(self) -> impl Fn(&str) -> bool {
        let (ids, is_in): (&[Arc<str>], bool) = match self {
            Self::Table => (&[], false),
            Self::Only(ids) => (ids, true),
            Self::Except(ids) => (ids, false),
        };
        let ids: HashSet<&str> = ids.iter().map(|id| &**id).collect();
        move |partition| ids.contains(partition) == is_in
    }

    /// `\nAND _partition_id [NOT] IN (…)`, or nothing. Parts of other partitions are not opened.
    pub(super) fn write(self, out: &mut Sql) {
        let ids = match self {
            Self::Table | Self::Except([]) => return,
            Self::Only(ids) => {
                out.raw("\nAND _partition_id IN (");
                ids
            }
            Self::Except(ids) => {
                out.raw("\nAND _partition_id NOT IN (");
                ids
            }
        };
        list(ids, out);
        out.raw(")");
    }
}

/// The ids as literals.
pub(super) fn list(ids: &[Arc<str>], out: &mut Sql) {
    out.list(ids, ", ", |out, id| {
        out.text(id);
    });
}
