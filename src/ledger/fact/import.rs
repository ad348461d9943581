//! What the record says of imports: counts, and a digest of what was written.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Deed, deed};
use crate::ledger::ImportedRules;
use crate::ledger::import::{Changes, Keyed, Pair};
use crate::rule::RuleId;

/// What an import of rules or workspaces has written, in the order in which it came.
#[derive(Default)]
pub(in crate::ledger) struct Written {
    hasher: Sha256,
    ids: Option<(RuleId, RuleId)>,
}

impl Written {
    fn feed(&mut self, part: &[u8]) {
        self.hasher.update(part.len().to_string());
        self.hasher.update(b":");
        self.hasher.update(part);
    }

    /// Adds rules, numbered from `first` on, and the numbers of those that they replaced.
    pub(in crate::ledger) fn add_rules(&mut self, first: Option<RuleId>, changes: &Changes) {
        for id in &changes.deactivate {
            self.feed(&id.to_be_bytes());
        }
        for Keyed { key, value: rule } in &changes.create {
            self.feed(key);
            self.feed(rule.retention.as_bytes());
            self.feed(&[u8::from(rule.apply_to_past)]);
            self.feed(&rule.created_at.as_microsecond().to_be_bytes());
        }
        let n_rules = u64::try_from(changes.create.len()).unwrap_or(u64::MAX);
        if let Some(first) = first.filter(|_| n_rules > 0) {
            let last = first.saturating_add(n_rules - 1);
            self.ids = Some((self.ids.map_or(first, |ids| ids.0), last));
        }
    }

    pub(in crate::ledger) fn add_workspaces(&mut self, pairs: &[&Keyed<Pair>]) {
        for pair in pairs {
            self.feed(&pair.key);
            self.feed(pair.value.1.as_bytes());
        }
    }

    fn digest(self) -> String {
        format!("{:x}", self.hasher.finalize())
    }

    pub(in crate::ledger) fn rules_imported(
        self,
        imported: ImportedRules,
        revision: u64,
        by: &str,
    ) -> Deed {
        let (first, last) = self.ids.unzip();
        let body = json!({
            "n_created": imported.n_created,
            "n_replaced": imported.n_replaced,
            "n_unchanged": imported.n_unchanged,
            "first_rule": first,
            "last_rule": last,
            "digest": self.digest(),
            "revision": revision,
        });
        deed("rules_imported", by, body)
    }

    pub(in crate::ledger) fn workspaces_put(self, n_changed: u64, revision: u64, by: &str) -> Deed {
        let body = json!({"n_changed": n_changed, "digest": self.digest(), "revision": revision});
        deed("workspaces_put", by, body)
    }
}
