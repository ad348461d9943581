//! Batches of rules and workspaces on their way in, and what an import does with each rule.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::row::{scope_columns, whole_microseconds};
use super::{ImportRule, ImportedRules, LedgerError, NewRule};
use crate::rule::RuleId;

/// Rows a statement; bounds memory and stays far below every limit on parameters.
const BATCH_ROWS: usize = 500;
/// Bytes of text a statement: where names are long, fewer rows bound memory.
const BATCH_BYTES: usize = 1024 * 1024;

/// A value and the digest that it is unique by.
pub(super) struct Keyed<T> {
    pub(super) key: [u8; 32],
    pub(super) value: T,
}

/// What comes in batches.
pub(super) trait Item: Sized {
    fn key(&self) -> [u8; 32];
    /// About what it adds to a statement.
    fn n_bytes(&self) -> usize;
}

impl Item for ImportRule {
    fn key(&self) -> [u8; 32] {
        self.scope.key()
    }

    fn n_bytes(&self) -> usize {
        let names = scope_columns(&self.scope).into_iter().flatten();
        names.map(str::len).sum::<usize>() + self.retention.len()
    }
}

/// A workspace and its organization.
pub(super) type Pair = (Arc<str>, Arc<str>);

impl Item for Pair {
    fn key(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    fn n_bytes(&self) -> usize {
        self.0.len() + self.1.len()
    }
}

/// Cuts an iterator into batches in which no key occurs twice.
pub(super) struct Batches<T> {
    next: Option<Keyed<T>>,
}

impl<T: Item> Batches<T> {
    pub(super) fn new() -> Self {
        Self { next: None }
    }

    /// The next batch; empty at the end.
    pub(super) fn next(
        &mut self,
        items: &mut (dyn Iterator<Item = Result<T, String>> + Send),
    ) -> Result<Vec<Keyed<T>>, LedgerError> {
        let mut batch = Vec::new();
        let mut keys = HashSet::new();
        let mut n_bytes = 0;
        if let Some(first) = self.next.take() {
            n_bytes += first.value.n_bytes();
            keys.insert(first.key);
            batch.push(first);
        }
        while batch.len() < BATCH_ROWS && n_bytes < BATCH_BYTES {
            let Some(item) = items.next() else { break };
            let value = item.map_err(LedgerError::Aborted)?;
            let item = Keyed {
                key: value.key(),
                value,
            };
            if !keys.insert(item.key) {
                self.next = Some(item);
                break;
            }
            n_bytes += item.value.n_bytes();
            batch.push(item);
        }
        Ok(batch)
    }
}

/// An active rule, as far as an import compares it.
pub(super) struct ActiveRule {
    pub(super) id: RuleId,
    pub(super) key: [u8; 32],
    pub(super) retention: String,
    pub(super) apply_to_past: bool,
    pub(super) created_at: Timestamp,
}

impl ActiveRule {
    fn is_like(&self, rule: &ImportRule) -> bool {
        self.retention == rule.retention
            && self.apply_to_past == rule.apply_to_past
            && rule
                .created_at
                .is_none_or(|at| whole_microseconds(at) == self.created_at)
    }
}

/// What an import does with one batch.
pub(super) struct Changes {
    pub(super) create: Vec<Keyed<NewRule>>,
    pub(super) deactivate: Vec<RuleId>,
    pub(super) n_unchanged: u64,
}

impl Changes {
    /// Adds what these changes are to what an import has done so far.
    pub(super) fn count_in(&self, imported: &mut ImportedRules) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        imported.n_created += count(self.create.len());
        imported.n_replaced += count(self.deactivate.len());
        imported.n_unchanged += self.n_unchanged;
    }
}

pub(super) fn decide(
    batch: Vec<Keyed<ImportRule>>,
    active: &[ActiveRule],
    now: Timestamp,
) -> Changes {
    let mut changes = Changes {
        create: Vec::new(),
        deactivate: Vec::new(),
        n_unchanged: 0,
    };
    let active: HashMap<_, _> = active.iter().map(|rule| (rule.key, rule)).collect();
    for Keyed { key, value } in batch {
        match active.get(&key) {
            Some(active) if active.is_like(&value) => {
                changes.n_unchanged += 1;
                continue;
            }
            Some(active) => changes.deactivate.push(active.id),
            None => {}
        }
        let ImportRule {
            scope,
            retention,
            apply_to_past,
            created_at,
        } = value;
        let created_at = created_at.unwrap_or(now);
        let value = NewRule {
            scope,
            retention,
            apply_to_past,
            created_at,
        };
        changes.create.push(Keyed { key, value });
    }
    changes
}

/// The pairs of a batch that are new or say something else than the directory does.
pub(super) fn changed_pairs<'b>(
    batch: &'b [Keyed<Pair>],
    known: &HashMap<[u8; 32], String>,
) -> Vec<&'b Keyed<Pair>> {
    let is_known = |pair: &Keyed<Pair>| known.get(&pair.key).is_some_and(|o| **o == *pair.value.1);
    batch.iter().filter(|pair| !is_known(pair)).collect()
}

/// The statement with the part between `/* each */` and `/* end */` repeated, joined by commas.
pub(super) fn repeat(statement: &str, n_times: usize) -> String {
    const EACH: &str = "/* each */";
    const END: &str = "/* end */";
    let Some((head, rest)) = statement.split_once(EACH) else {
        return statement.to_owned();
    };
    let Some((part, tail)) = rest.split_once(END) else {
        return statement.to_owned();
    };
    let mut text = head.to_owned();
    for number in 0..n_times {
        text.push_str(if number == 0 { "" } else { ", " });
        text.push_str(part.trim());
    }
    text.push_str(tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_lengths(pairs: Vec<Pair>) -> Vec<usize> {
        let mut pairs = pairs.into_iter().map(Ok);
        let mut batches = Batches::new();
        let lengths = std::iter::from_fn(|| Some(batches.next(&mut pairs).unwrap().len()));
        lengths.take_while(|length| *length > 0).collect()
    }

    fn pair(name: &str) -> Pair {
        (name.into(), "acme".into())
    }

    #[test]
    fn a_batch_is_bounded_in_rows_and_bytes_and_has_each_key_once() {
        let short = (0..1_001).map(|number| pair(&number.to_string()));
        assert_eq!(batch_lengths(short.collect()), [500, 500, 1]);
        let long = (0..5).map(|number| pair(&format!("{number}{}", "x".repeat(BATCH_BYTES / 2))));
        assert_eq!(batch_lengths(long.collect()), [2, 2, 1]);
        let twice = ["a", "b", "a", "a", "c"].map(pair);
        assert_eq!(batch_lengths(twice.into()), [2, 1, 2]);
        assert_eq!(batch_lengths(Vec::new()), [0; 0]);
    }

    #[test]
    fn only_the_marked_part_is_repeated() {
        let sql = "-- x: y\nVALUES /* each */ (?, ?) /* end */ RETURNING 1";
        assert_eq!(repeat(sql, 1), "-- x: y\nVALUES (?, ?) RETURNING 1");
        assert_eq!(
            repeat(sql, 3),
            "-- x: y\nVALUES (?, ?), (?, ?), (?, ?) RETURNING 1"
        );
        assert_eq!(repeat("SELECT 1", 3), "SELECT 1");
    }
}
