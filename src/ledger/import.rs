//! Batches of rules and workspaces on their way in, and what an import does with each rule.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::row::whole_microseconds;
use super::{ImportRule, ImportedRules, LedgerError, NewRule};
use crate::rule::RuleId;

/// Rows a statement; bounds memory and stays far below every limit on parameters.
const BATCH_ROWS: usize = 500;

/// A value and the digest that it is unique by.
pub(super) struct Keyed<T> {
    pub(super) key: [u8; 32],
    pub(super) value: T,
}

pub(super) fn keyed_rule(value: ImportRule) -> Keyed<ImportRule> {
    Keyed {
        key: value.scope.key(),
        value,
    }
}

pub(super) fn keyed_workspace(value: Pair) -> Keyed<Pair> {
    Keyed {
        key: Sha256::digest(value.0.as_bytes()).into(),
        value,
    }
}

/// Cuts an iterator into batches in which no key occurs twice.
pub(super) struct Batches<T> {
    next: Option<Keyed<T>>,
}

impl<T> Batches<T> {
    pub(super) fn new() -> Self {
        Self { next: None }
    }

    /// The next batch; empty at the end.
    pub(super) fn next<I>(
        &mut self,
        items: &mut (dyn Iterator<Item = Result<I, String>> + Send),
        keyed: impl Fn(I) -> Keyed<T>,
    ) -> Result<Vec<Keyed<T>>, LedgerError> {
        let mut batch = Vec::new();
        let mut keys = HashSet::new();
        if let Some(first) = self.next.take() {
            keys.insert(first.key);
            batch.push(first);
        }
        while batch.len() < BATCH_ROWS {
            let Some(item) = items.next() else { break };
            let item = keyed(item.map_err(LedgerError::Aborted)?);
            if !keys.insert(item.key) {
                self.next = Some(item);
                break;
            }
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

/// A workspace and its organization.
pub(super) type Pair = (Arc<str>, Arc<str>);

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
