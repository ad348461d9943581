//! What is looked at again on the same day: rows may have come free since it was done, by a hold that
//! was released, an approval, rules that are armed by now, or a change of rules or settings.
//!
//! Invariant: decided from the ledger alone, so all instances agree, also after a restart.

use jiff::{SignedDuration, Timestamp};

use super::world::joined;
use crate::ledger::Look;
use crate::slot::SlotRange;

/// How long a place is left alone after it was done. Another look costs a census, and a probe of what
/// may be due, but no statement where nothing is: somebody who changes something all the time may
/// cause that four times an hour.
const APART: SignedDuration = SignedDuration::from_mins(15);

/// Under which terms something was done: the revision of the ledger, and that of its base. Whatever
/// frees rows changes one of them.
pub(super) fn terms(revision: u64, base: Option<u64>) -> String {
    match base {
        Some(base) => format!("{revision} on {base}"),
        None => format!("{revision} on none"),
    }
}

/// The places of some that are done which were looked at under other terms, long enough ago; joined,
/// so that one cycle does them all.
pub(super) fn again(
    done: &[SlotRange],
    looks: &[Look],
    terms: &str,
    now: Timestamp,
) -> Vec<SlotRange> {
    let is_settled = |look: &&Look| {
        let is_young = now.duration_since(look.at) < APART;
        !look.terms.is_empty() && (look.terms == terms || is_young)
    };
    let settled: Vec<SlotRange> = looks
        .iter()
        .filter(is_settled)
        .map(|look| look.range)
        .collect();
    joined(
        done.iter()
            .flat_map(|range| range.without(&settled))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u64, to: u64) -> SlotRange {
        SlotRange { from, to }
    }

    fn check(done: &[SlotRange], looks: &[(u64, u64, i64, &str)], expected: &[SlotRange]) {
        let at = |minute: i64| Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
        let looks: Vec<Look> = looks
            .iter()
            .map(|(from, to, minute, terms)| Look {
                range: range(*from, *to),
                at: at(*minute),
                terms: (*terms).to_owned(),
                body: String::new(),
            })
            .collect();
        assert_eq!(again(done, &looks, "2 on 1", at(60)), expected, "{looks:?}");
    }

    #[test]
    fn what_was_done_under_other_terms_is_looked_at_again_after_a_while() {
        let done = [range(0, 100)];
        check(&done, &[(0, 100, 0, "2 on 1")], &[]);
        check(&done, &[(0, 100, 45, "1 on 1")], &[range(0, 100)]);
        check(&done, &[(0, 100, 46, "1 on 1")], &[]);
        check(&done, &[(0, 100, 0, "2 on none")], &[range(0, 100)]);
        // What was left incomplete is not done under any terms.
        check(&done, &[(0, 100, 59, "")], &[range(0, 100)]);
        check(&done, &[], &[range(0, 100)]);
        // Nobody has done the rest yet.
        check(&[range(0, 50)], &[(0, 100, 0, "1 on 1")], &[range(0, 50)]);
        check(&[], &[(0, 100, 0, "1 on 1")], &[]);
    }

    #[test]
    fn slots_that_touch_are_looked_at_as_one() {
        let looks = [
            (0, 10, 0, "1 on 1"),
            (10, 20, 5, "1 on 1"),
            (20, 30, 50, "1 on 1"),
            (30, 40, 0, "2 on 1"),
            (40, 50, 7, "1 on none"),
        ];
        check(&[range(0, 50)], &looks, &[range(0, 20), range(40, 50)]);
    }
}
