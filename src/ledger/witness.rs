//! Whether the tables that people look at still say what the hash chain says.
//!
//! The chain proves itself. History, holds, approvals and rules lie in tables of their own, and
//! somebody may have changed those beside Ebbtide: a hold that was never released, an approval that
//! nobody gave, a step that deleted less than it says.
//!
//! Invariant: only what the chain speaks of is compared, so neither a ledger from before the chain
//! nor a pruned one is accused. Members of an import are known by their numbers alone.

mod cycles;
mod quarantines;
mod scoped;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Ledger, LedgerError};
use crate::audit::{Entry, Fact};

use cycles::CycleFacts;
use scoped::{ScopedFact, end, missing};

/// Cycles read at once.
const PAGE: u32 = 200;
/// Entries are stamped by the database, rows by the instance: near the pruned end they may differ.
const SLACK: SignedDuration = SignedDuration::from_hours(48);

type Digest32 = [u8; 32];
type QuarantineKey = (String, u64, String);

/// What the chain says of the tables; fed with its entries in order, and then held against a ledger.
///
/// ```no_run
/// # async fn example(ledger: &dyn ebbtide::Ledger) -> Result<(), ebbtide::LedgerError> {
/// let mut witness = ebbtide::Witness::default();
/// ledger.each_entry(0, None, &mut |entry| witness.hear(&entry)).await?;
/// for difference in witness.compare(ledger).await? {
///     println!("{difference}");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Witness {
    cycles: BTreeMap<String, CycleFacts>,
    holds: BTreeMap<u64, ScopedFact>,
    rules: BTreeMap<u64, ScopedFact>,
    /// The first and last rule of each import.
    imported: Vec<(u64, u64)>,
    /// Partitions in quarantine: by cycle, step and partition how it began, and what came of it last.
    quarantines: BTreeMap<QuarantineKey, [Option<Digest32>; 2]>,
    /// The highest revision that somebody approved.
    approved: Option<u64>,
    /// From when on everything must be in the chain.
    complete_from: Option<Timestamp>,
    is_pruned: bool,
}

impl Witness {
    /// Takes the next entry of the chain.
    pub fn hear(&mut self, entry: &Entry) {
        let Fact { at, kind, body, .. } = &entry.fact;
        let complete_from = at.checked_add(SLACK).unwrap_or(*at);
        self.complete_from.get_or_insert(complete_from);
        let number = |key: &str| body.get(key).and_then(Value::as_u64);
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind.as_str() {
            "cycle_begun" | "cycle_renewed" | "cycle_ended" | "step_intended" | "step_finished" => {
                let cycle = self.cycles.entry(text("cycle").to_owned()).or_default();
                let said = Some(digest(body));
                let step = number("step").unwrap_or_default();
                let under = |revision: &str| {
                    let digest = text("rules_digest").to_owned();
                    number(revision).map(|revision| (revision, digest))
                };
                match kind.as_str() {
                    "cycle_begun" => {
                        (cycle.begun, cycle.at) = (said, Some(*at));
                        cycle.planned = under("revision");
                    }
                    "cycle_renewed" => cycle.renewed = under("to"),
                    "cycle_ended" => cycle.ended = said,
                    "step_intended" => cycle.steps.entry(step).or_default().0 = said,
                    _ => cycle.steps.entry(step).or_default().1 = said,
                }
            }
            "quarantine_begun" | "quarantine_changed" => {
                let step = number("step").unwrap_or_default();
                let key = (text("cycle").to_owned(), step, text("partition").to_owned());
                let [begun, changed] = self.quarantines.entry(key).or_default();
                let said = if kind == "quarantine_begun" {
                    begun
                } else {
                    changed
                };
                *said = Some(digest(body));
            }
            "hold_placed" => {
                let hold = number("hold").unwrap_or_default();
                self.holds.insert(hold, ScopedFact::new(body));
            }
            "hold_released" => end(&mut self.holds, number("hold")),
            "rule_created" => {
                end(&mut self.rules, number("replaced"));
                let rule = number("rule").unwrap_or_default();
                self.rules.insert(rule, ScopedFact::new(body));
            }
            "rule_deactivated" => end(&mut self.rules, number("rule")),
            "rules_imported" => {
                self.imported
                    .extend(number("first_rule").zip(number("last_rule")));
                for rule in self.rules.values_mut() {
                    rule.may_be_over = true;
                }
            }
            "approved" | "plan_approved" => self.approved = self.approved.max(number("revision")),
            "record_pruned" => self.is_pruned = true,
            _ => {}
        }
    }

    /// What the tables say otherwise, for people; empty if they agree.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub async fn compare(mut self, ledger: &dyn Ledger) -> Result<Vec<String>, LedgerError> {
        let mut differences = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let page = ledger.cycles_before(before.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.start.id.clone());
            for cycle in page {
                let steps = ledger.steps(&cycle.start.id).await?;
                differences.extend(self.compare_cycle(&cycle, &steps));
            }
        }
        let is_recent = |facts: &CycleFacts| facts.at.is_some_and(|at| self.is_complete_at(at));
        let gone = self.cycles.iter().filter(|(_, facts)| is_recent(facts));
        differences.extend(gone.map(|(id, _)| format!("cycle {id} is gone from the history")));
        let holds = ledger.holds(true).await?;
        differences.extend(holds.iter().filter_map(|hold| self.compare_hold(hold)));
        let gone = missing(&self.holds, holds.iter().map(|hold| hold.id));
        differences.extend(gone.map(|id| format!("hold {id} is gone")));
        for quarantine in ledger.quarantines(true).await? {
            differences.extend(self.compare_quarantine(&quarantine));
        }
        let gone = self.quarantines.keys();
        differences.extend(gone.map(|(cycle, step, partition)| {
            format!(
                "the quarantine of partition {partition}, step {step} of cycle {cycle}, is gone"
            )
        }));
        let (mut of_rules, mut seen) = (Vec::new(), BTreeSet::new());
        ledger
            .each_rule(true, &mut |rule| {
                seen.insert(rule.id);
                of_rules.extend(self.compare_rule(&rule));
            })
            .await?;
        differences.append(&mut of_rules);
        let gone = missing(&self.rules, seen.into_iter());
        differences.extend(gone.map(|id| format!("rule {id} is gone")));
        let approved = ledger.approved_revision().await?;
        if approved > self.approved && !(self.is_pruned && self.approved.is_none()) {
            let revision = approved.unwrap_or_default();
            differences.push(format!(
                "revision {revision} is approved, but the record names nobody who approved it"
            ));
        }
        Ok(differences)
    }

    fn is_complete_at(&self, at: Timestamp) -> bool {
        self.complete_from
            .is_some_and(|from| !self.is_pruned || at >= from)
    }
}

fn digest(body: &Value) -> Digest32 {
    // Bodies of entries are canonical already; others than those do not come here.
    let text = crate::audit::canonical(body).unwrap_or_default();
    Sha256::digest(text.as_bytes()).into()
}
