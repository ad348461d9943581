//! Whether the list of the quarantine says what the chain says.

use super::{Witness, digest};
use crate::ledger::{QuarantineRecord, QuarantineState, fact};

impl Witness {
    pub(super) fn compare_quarantine(&mut self, record: &QuarantineRecord) -> Option<String> {
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
        let begun = digest(&fact::quarantine::begun(new, &record.changed_by).body);
        let last = record.change(record.state, record.changed_at, 0);
        let changed = (record.state != QuarantineState::Moving)
            .then(|| digest(&fact::quarantine::changed(&last, &record.changed_by).body));
        // Its beginning may be pruned.
        let [known_begun, known_changed] = known;
        let is_as_it_began = known_begun.is_none_or(|said| said == begun);
        (!is_as_it_began || known_changed != changed)
            .then(|| format!("{what} is not what the record says of it"))
    }
}
