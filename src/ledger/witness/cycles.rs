//! Whether the history of cycles and steps says what the chain says.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Digest32, Witness, digest};
use crate::ledger::{CycleRecord, CycleStart, StepRecord, fact};

/// What the chain says of a cycle.
#[derive(Debug, Clone, Default)]
pub(super) struct CycleFacts {
    pub(super) at: Option<Timestamp>,
    pub(super) begun: Option<Digest32>,
    pub(super) ended: Option<Digest32>,
    /// The revision and the digest of the rules it was planned from.
    pub(super) planned: Option<(u64, String)>,
    /// Those that it was renewed to last.
    pub(super) renewed: Option<(u64, String)>,
    pub(super) steps: BTreeMap<u64, (Option<Digest32>, Option<Digest32>)>,
}

impl Witness {
    pub(super) fn compare_cycle(
        &mut self,
        cycle: &CycleRecord,
        steps: &[StepRecord],
    ) -> Option<String> {
        let id = &cycle.start.id;
        let Some(facts) = self.cycles.remove(id) else {
            // Cycles from before the record have no lease.
            let must_be_known =
                cycle.start.lease_token > 0 && self.is_complete_at(cycle.start.started_at);
            return must_be_known.then(|| format!("the record does not know cycle {id}"));
        };
        let holder = &cycle.start.holder;
        let begun = digest(&fact::cycle::begun(&facts.planned(&cycle.start)).body);
        let ended = cycle
            .end
            .as_ref()
            .map(|(at, status)| digest(&fact::cycle::ended(id, status, *at, holder).body));
        let shown: BTreeMap<u64, (Option<Digest32>, Option<Digest32>)> = steps
            .iter()
            .map(|step| {
                let intended = digest(&fact::step::intended(&step.intent, holder).body);
                let finished = step
                    .outcome
                    .as_ref()
                    .map(|outcome| digest(&fact::step::finished(outcome, holder).body));
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
