//! Whether the tables of holds and rules say what the chain says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Digest32, Witness, digest};
use crate::ledger::{CreatedRule, HoldRecord, RuleRecord, fact};

/// What the chain says of a hold or a rule.
#[derive(Debug, Clone)]
pub(super) struct ScopedFact {
    pub(super) said: Digest32,
    pub(super) is_over: bool,
    /// Whether something may have ended it that the chain only counts: an import.
    pub(super) may_be_over: bool,
}

impl Witness {
    pub(super) fn compare_hold(&self, hold: &HoldRecord) -> Option<String> {
        let id = hold.id;
        let Some(facts) = self.holds.get(&id) else {
            let is_new = !self.is_pruned && self.complete_from.is_some();
            return is_new.then(|| format!("the record does not know hold {id}"));
        };
        let said = fact::hold_placed(id, &hold.hold, 0, &hold.created_by).body;
        if scoped_digest(&said) != facts.said {
            return Some(format!("hold {id} is not the one that was placed"));
        }
        match (facts.is_over, hold.released.is_some()) {
            (true, false) => Some(format!("hold {id} is in force, but was released")),
            (false, true) => Some(format!(
                "hold {id} is released, but the record names nobody who released it"
            )),
            _ => None,
        }
    }

    /// Rules are numbered in order: from the first one in the chain on, all are known.
    fn first_rule(&self) -> Option<u64> {
        let of_imports = self.imported.iter().map(|(first, _)| *first);
        self.rules.keys().copied().chain(of_imports).min()
    }

    pub(super) fn compare_rule(&self, rule: &RuleRecord) -> Option<String> {
        let id = rule.id;
        let Some(facts) = self.rules.get(&id) else {
            let is_imported = |(first, last): &(u64, u64)| (*first..=*last).contains(&id);
            let must_be_known =
                self.first_rule().is_some_and(|first| id > first) && !self.is_pruned;
            let is_unknown = must_be_known && !self.imported.iter().any(is_imported);
            return is_unknown.then(|| format!("the record does not know rule {id}"));
        };
        let created = CreatedRule {
            id,
            replaced: None,
            is_repeated: false,
        };
        let said = fact::rule_created(&rule.rule, created, 0, &rule.created_by).body;
        if scoped_digest(&said) != facts.said {
            return Some(format!("rule {id} is not the one that was set"));
        }
        match (facts.is_over, rule.deactivated.is_some()) {
            (true, false) => Some(format!("rule {id} is active, but was ended")),
            (false, true) if !facts.may_be_over => Some(format!(
                "rule {id} is not active, but the record names nobody who ended it"
            )),
            _ => None,
        }
    }
}

impl ScopedFact {
    pub(super) fn new(body: &Value) -> Self {
        Self {
            said: scoped_digest(body),
            is_over: false,
            may_be_over: false,
        }
    }
}

pub(super) fn end(facts: &mut BTreeMap<u64, ScopedFact>, id: Option<u64>) {
    if let Some(fact) = id.and_then(|id| facts.get_mut(&id)) {
        fact.is_over = true;
    }
}

/// Those that the chain knows and the table has not.
pub(super) fn missing(
    facts: &BTreeMap<u64, ScopedFact>,
    there: impl Iterator<Item = u64>,
) -> impl Iterator<Item = u64> {
    let there: BTreeSet<u64> = there.collect();
    facts
        .keys()
        .copied()
        .filter(move |id| !there.contains(id))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Without what a row does not repeat.
fn scoped_digest(body: &Value) -> Digest32 {
    let mut body = body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("revision");
        body.remove("replaced");
    }
    digest(&body)
}
