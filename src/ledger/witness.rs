//! Whether the tables that people look at still say what the hash chain says.
//!
//! The chain proves itself. History, holds, approvals and rules lie in tables of their own, and
//! somebody may have changed those beside Ebbtide: a hold that was never released, an approval that
//! nobody gave, a step that deleted less than it says.
//!
//! Invariant: only what the chain speaks of is compared, so neither a ledger from before the chain
//! nor a pruned one is accused. Members of an import are known by their numbers alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    CycleRecord, CycleStart, HoldRecord, Ledger, LedgerError, QuarantineRecord, QuarantineState,
    RuleRecord, StepRecord, fact,
};
use crate::audit::{Entry, Fact};

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

#[derive(Debug, Clone, Default)]
struct CycleFacts {
    at: Option<Timestamp>,
    begun: Option<Digest32>,
    ended: Option<Digest32>,
    /// The revision and the digest of the rules it was planned from.
    planned: Option<(u64, String)>,
    /// Those that it was renewed to last.
    renewed: Option<(u64, String)>,
    steps: BTreeMap<u64, (Option<Digest32>, Option<Digest32>)>,
}

#[derive(Debug, Clone)]
struct ScopedFact {
    said: Digest32,
    is_over: bool,
    /// Whether something may have ended it that the chain only counts: an import.
    may_be_over: bool,
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

    fn compare_cycle(&mut self, cycle: &CycleRecord, steps: &[StepRecord]) -> Option<String> {
        let id = &cycle.start.id;
        let Some(facts) = self.cycles.remove(id) else {
            // Cycles from before the record have no lease.
            let must_be_known =
                cycle.start.lease_token > 0 && self.is_complete_at(cycle.start.started_at);
            return must_be_known.then(|| format!("the record does not know cycle {id}"));
        };
        let holder = &cycle.start.holder;
        let begun = digest(&fact::cycle_begun(&facts.planned(&cycle.start)).body);
        let ended = cycle
            .end
            .as_ref()
            .map(|(at, status)| digest(&fact::cycle_ended(id, status, *at, holder).body));
        let shown: BTreeMap<u64, (Option<Digest32>, Option<Digest32>)> = steps
            .iter()
            .map(|step| {
                let intended = digest(&fact::step_intended(&step.intent, holder).body);
                let finished = step
                    .outcome
                    .as_ref()
                    .map(|outcome| digest(&fact::step_finished(outcome, holder).body));
                (u64::from(step.intent.step), (Some(intended), finished))
            })
            .collect();
        let wrong_step = shown
            .iter()
            .find(|(number, said)| facts.steps.get(number) != Some(said))
            .map(|(number, _)| *number)
            .or_else(|| {
                facts
                    .steps
                    .keys()
                    .find(|number| !shown.contains_key(number))
                    .copied()
            });
        // Nothing where its first entries were pruned.
        facts.begun?;
        if let Some(number) = wrong_step {
            return Some(format!(
                "step {number} of cycle {id} is not what the record says of it"
            ));
        }
        (facts.begun != Some(begun) || facts.ended != ended)
            .then(|| format!("cycle {id} is not what the record says of it"))
    }

    fn compare_quarantine(&mut self, record: &QuarantineRecord) -> Option<String> {
        let new = &record.quarantine;
        let key = (
            new.cycle.clone(),
            u64::from(new.step),
            new.partition.clone(),
        );
        let what = format!(
            "the quarantine of partition {}, step {} of cycle {},",
            new.partition, new.step, new.cycle
        );
        let Some(known) = self.quarantines.remove(&key) else {
            let must_be_known = self.is_complete_at(new.began_at);
            return must_be_known.then(|| format!("the record does not know {what}"));
        };
        let begun = digest(&fact::quarantine_begun(new, &record.changed_by).body);
        let last = record.change(record.state, record.changed_at, 0);
        let changed = (record.state != QuarantineState::Moving)
            .then(|| digest(&fact::quarantine_changed(&last, &record.changed_by).body));
        // Its beginning may be pruned.
        let [known_begun, known_changed] = known;
        let is_as_it_began = known_begun.is_none_or(|said| said == begun);
        (!is_as_it_began || known_changed != changed)
            .then(|| format!("{what} is not what the record says of it"))
    }

    fn compare_hold(&self, hold: &HoldRecord) -> Option<String> {
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

    fn compare_rule(&self, rule: &RuleRecord) -> Option<String> {
        let id = rule.id;
        let Some(facts) = self.rules.get(&id) else {
            let is_imported = |(first, last): &(u64, u64)| (*first..=*last).contains(&id);
            let must_be_known =
                self.first_rule().is_some_and(|first| id > first) && !self.is_pruned;
            let is_unknown = must_be_known && !self.imported.iter().any(is_imported);
            return is_unknown.then(|| format!("the record does not know rule {id}"));
        };
        let created = super::CreatedRule {
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

impl CycleFacts {
    /// A cycle as it began, if the table holds what it was renewed to last.
    fn planned(&self, start: &CycleStart) -> CycleStart {
        let mut planned = start.clone();
        if let (Some(renewed), Some(begun)) = (&self.renewed, &self.planned) {
            let is_last = *renewed == (start.revision, start.rules_digest.clone());
            let under = if is_last { begun } else { renewed };
            (planned.revision, planned.rules_digest) = under.clone();
        }
        planned
    }
}

impl ScopedFact {
    fn new(body: &Value) -> Self {
        Self {
            said: scoped_digest(body),
            is_over: false,
            may_be_over: false,
        }
    }
}

fn end(facts: &mut BTreeMap<u64, ScopedFact>, id: Option<u64>) {
    if let Some(fact) = id.and_then(|id| facts.get_mut(&id)) {
        fact.is_over = true;
    }
}

/// Those that the chain knows and the table has not.
fn missing(
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

fn digest(body: &Value) -> Digest32 {
    // Bodies of entries are canonical already; others than those do not come here.
    let text = crate::audit::canonical(body).unwrap_or_default();
    Sha256::digest(text.as_bytes()).into()
}
