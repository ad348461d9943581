//! The count that proves of partitions that they hold nothing that anybody could want.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::ids;
use crate::compile::strays;
use crate::cutoff::Bounds;
use crate::engine::halve::{Halves, Patience};
use crate::engine::of_day::Of;
use crate::engine::{Engine, error_chain};
use crate::plan::{MOST_PARTS_DROPPED, Partition};
use crate::target::CheckedTarget;
use crate::warehouse::{Hidden, SeenPart, Shard, StraysRow, WarehouseError};

impl Engine {
    /// What partitions hold, and how much of it somebody could want, with their parts; or why that is
    /// unknown: a row policy hides rows from a count, and not from a drop. Where it is too much for one
    /// look, several are made, until patience ends; what is too much by itself is left out.
    pub(super) async fn count_strays(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &[Arc<str>],
        expired: Bounds,
        patience: &mut Patience,
    ) -> Result<Strays, Uncounted> {
        let mut strays = Strays::default();
        let mut halves = Halves::of([partitions.to_vec()]);
        while let Some(group) = halves.next() {
            if patience.is_over() {
                strays.too_dear.extend(group.items);
                continue;
            }
            let counted = self.count_together(shard, target, &group.items, expired);
            match counted.await {
                Ok((rows, parts)) => {
                    strays.rows.extend(rows);
                    strays.parts.extend(parts);
                }
                Err(CountError::Warehouse(error)) if error.is_out_of_limits() => {
                    if let Err(group) = halves.halve(group, &error, patience) {
                        strays.too_dear.extend(group.items);
                    }
                    strays.too_much = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(strays)
    }

    /// The same in one look; the parts are in the order of their size.
    async fn count_together(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        partitions: &[Arc<str>],
        expired: Bounds,
    ) -> Result<(Vec<StraysRow>, Vec<String>), CountError> {
        let before = shard.definition(&target.table).await?;
        let rows = shard.strays(&strays(target, partitions, expired)).await?;
        let parts = rows.iter().flat_map(|row| &row.ebbtide_parts);
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        let now = shard.parts_now(&target.table, &parts).await?;
        let n_stored: u64 = now.by_size.iter().map(|(_, n_rows)| n_rows).sum();
        let is_seen = now.n_seen == n_stored && now.by_size.len() == parts.len();
        // A drop names the parts. A move does not: it also takes those of which this user sees nothing.
        if !is_seen || target.ways.quarantine.is_some() {
            let hidden = shard.hidden_rows(&target.table, partitions).await?;
            if !is_seen || !hidden.is_empty() {
                return Err(CountError::Hidden(hidden));
            }
        }
        let after = shard.definition(&target.table).await?;
        let of = Of::new(shard, target, self.clock.now());
        let parts = without_strays(&rows, &now.by_size);
        self.seen.with(of, |seen| seen.add(&before, &after, parts));
        let by_size = now.by_size.into_iter().map(|(name, _)| name);
        Ok((rows, by_size.collect()))
    }
}

/// The parts of partitions without a row that somebody could want or that is masked.
fn without_strays(rows: &[StraysRow], stored: &[(String, u64)]) -> HashMap<String, SeenPart> {
    let mut parts = HashMap::new();
    for row in rows.iter().filter(|row| row.ebbtide_strays == 0) {
        let Some((oldest_ms, newest_ms)) = row.ebbtide_oldest_ms.zip(row.ebbtide_newest_ms) else {
            continue;
        };
        let names: HashSet<&String> = row.ebbtide_parts.iter().collect();
        let of_row: Vec<_> = stored
            .iter()
            .filter(|(name, _)| names.contains(name))
            .collect();
        if of_row.iter().map(|(_, n_rows)| n_rows).sum::<u64>() != row.ebbtide_rows {
            continue;
        }
        parts.extend(of_row.into_iter().map(|(name, n_rows)| {
            let seen = SeenPart {
                n_rows: *n_rows,
                oldest_ms,
                newest_ms,
            };
            (name.clone(), seen)
        }));
    }
    parts
}

/// What was counted in partitions.
#[derive(Default)]
pub(super) struct Strays {
    pub(super) rows: Vec<StraysRow>,
    pub(super) parts: Vec<String>,
    /// Each of them is too much for a look, or looks at others were too much too often.
    pub(super) too_dear: Vec<Arc<str>>,
    /// Why the last look was too much.
    too_much: Option<WarehouseError>,
}

impl Strays {
    /// Why some were not counted, if any were not.
    pub(super) fn why_too_dear(&self) -> Option<String> {
        let why = || match &self.too_much {
            Some(error) => error_chain(error),
            None => "too many looks were too much".into(),
        };
        (!self.too_dear.is_empty()).then(why)
    }
}

/// Why nobody knows what partitions hold.
pub(super) struct Uncounted {
    pub(super) reason: String,
    /// Those of which this user does not see every row: without them the others might be counted.
    pub(super) hidden: Vec<Arc<str>>,
}

enum CountError {
    Warehouse(WarehouseError),
    Hidden(Vec<Hidden>),
}

impl From<WarehouseError> for CountError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(error)
    }
}

impl From<CountError> for Uncounted {
    fn from(error: CountError) -> Self {
        match error {
            CountError::Warehouse(error) => Self {
                reason: error_chain(&error),
                hidden: Vec::new(),
            },
            CountError::Hidden(hidden) => {
                let why = hidden.first().map_or_else(
                    || "its parts are being merged".to_owned(),
                    ToString::to_string,
                );
                Self {
                    reason: format!("not dropped: {why}"),
                    hidden: hidden.into_iter().map(|it| it.partition.into()).collect(),
                }
            }
        }
    }
}

/// Candidates in groups that can be counted in one statement each, as many as may go. In each the small
/// come first: they are proven before looks at large ones are too much too often.
pub(super) fn together(candidates: &[Arc<str>], found: &[Partition]) -> Vec<Vec<Arc<str>>> {
    let mut groups: Vec<(u64, Vec<&Partition>)> = Vec::new();
    let of_id = |id: &Arc<str>| found.iter().find(|partition| partition.id == *id);
    for partition in candidates.iter().filter_map(of_id) {
        match groups.last_mut() {
            Some((n_together, some)) if *n_together + partition.n_parts <= MOST_PARTS_DROPPED => {
                *n_together += partition.n_parts;
                some.push(partition);
            }
            _ => groups.push((partition.n_parts, vec![partition])),
        }
    }
    let by_size = |(_, mut some): (u64, Vec<&Partition>)| {
        some.sort_by_key(|partition| partition.n_rows);
        ids(some.into_iter())
    };
    groups.into_iter().map(by_size).collect()
}
