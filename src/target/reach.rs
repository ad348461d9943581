//! How far deletes reach: what of the configuration decides which rows a rule lets go, and what of it
//! goes further than before.
//!
//! Invariant: where [`Reach::changes_since`] finds nothing, every row that the targets of now let go
//! was let go by those of each earlier reach, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Age, Keep, Target};

/// Where rows may go, and which. Neither limits nor the order of the targets: they decide when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    database: String,
    shards: BTreeSet<String>,
    targets: BTreeMap<String, TargetReach>,
}

/// What of a target decides which rows go. What becomes of projections does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TargetReach {
    workspace: String,
    project: Option<String>,
    age: Age,
    keep: BTreeSet<Keep>,
}

/// What reaches further than before: rows of it wait for an approval, or are armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// The shard that it is about; all of them if nothing.
    pub shard: Option<Arc<str>>,
    /// The table that it is about; all of them if nothing.
    pub table: Option<Arc<str>>,
    /// What changed.
    pub change: String,
}

impl Reach {
    /// The reach of a configuration: names of shards, their database, and the targets.
    pub(crate) fn new<'a>(
        database: &str,
        shards: impl IntoIterator<Item = &'a str>,
        targets: &[Target],
    ) -> Self {
        let of_target = |target: &Target| (target.table.clone(), TargetReach::of(target));
        Self {
            database: database.to_owned(),
            shards: shards.into_iter().map(str::to_owned).collect(),
            targets: targets.iter().map(of_target).collect(),
        }
    }

    /// What reaches further than the base, or than what came after it. A keep that was removed and a
    /// column that became another one count even if they only were different in between. Shards
    /// are those of the base: one that was left out for a while promised nothing to anybody.
    pub(crate) fn changes_since(&self, base: &Self, later: &[&Self]) -> Vec<TargetChange> {
        let mut changes = Vec::new();
        let new_shards = self.shards.difference(&base.shards);
        changes.extend(new_shards.map(|shard| TargetChange {
            shard: Some(shard.as_str().into()),
            table: None,
            change: "is new".into(),
        }));
        let earlier = || std::iter::once(base).chain(later.iter().copied());
        let other = earlier().find(|earlier| earlier.database != self.database);
        changes.extend(other.map(|earlier| TargetChange {
            shard: None,
            table: None,
            change: format!(
                "the database was {}, and is {}",
                earlier.database, self.database
            ),
        }));
        for (table, target) in &self.targets {
            let mut found: Vec<String> = Vec::new();
            for earlier in earlier() {
                let beyond = match earlier.targets.get(table) {
                    Some(before) if before == target => continue,
                    Some(before) => target.beyond(before),
                    None => vec!["is new".into()],
                };
                for change in beyond {
                    if !found.contains(&change) {
                        found.push(change);
                    }
                }
            }
            changes.extend(found.into_iter().map(|change| TargetChange {
                shard: None,
                table: Some(table.as_str().into()),
                change,
            }));
        }
        changes
    }
}

impl TargetReach {
    fn of(target: &Target) -> Self {
        Self {
            workspace: target.workspace.clone(),
            project: target.project.clone(),
            age: target.age.clone(),
            keep: target.keep.iter().cloned().collect(),
        }
    }

    /// What takes rows that the target before left alone. One more thing to keep does not.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let column = |column: &Option<String>| column.clone().unwrap_or_else(|| "none".into());
        let age = |age: &Age| match age {
            Age::UuidV7(column) => format!("{{uuid_v7: {column}}}"),
            Age::Time(column) => format!("{{time: {column}}}"),
        };
        let columns = [
            (
                "workspace",
                before.workspace.clone(),
                self.workspace.clone(),
            ),
            ("project", column(&before.project), column(&self.project)),
            ("age", age(&before.age), age(&self.age)),
        ];
        let columns = columns.into_iter().filter(|(_, before, now)| before != now);
        let columns =
            columns.map(|(what, before, now)| format!("its {what} was {before}, and is {now}"));
        let removed = before.keep.difference(&self.keep).map(|keep| {
            let Keep {
                column,
                in_table,
                in_column,
                in_workspace,
            } = keep;
            format!(
                "its keep of {column} in {in_table} (in_column: {in_column}, in_workspace: \
                 {in_workspace}) was removed"
            )
        });
        columns.chain(removed).collect()
    }
}

impl TargetChange {
    /// Whether rows of a table on a shard wait because of it.
    pub fn concerns(&self, shard: &str, table: &str) -> bool {
        self.shard.as_deref().is_none_or(|of| of == shard)
            && self.table.as_deref().is_none_or(|of| of == table)
    }
}

impl fmt::Display for TargetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shard) = &self.shard {
            write!(f, "shard {shard}: ")?;
        }
        if let Some(table) = &self.table {
            write!(f, "target {table}: ")?;
        }
        f.write_str(&self.change)
    }
}

#[cfg(test)]
mod tests;
