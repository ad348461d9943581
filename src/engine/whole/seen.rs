//! What looks of this engine saw in the parts of a table. A part never changes: what was seen in it holds
//! for as long as it is there.
//!
//! Invariant: a part proves something only where as many of its rows were seen, each with an age and a
//! workspace, as are stored in it; where it is older than the look, and no patch waits for it; and where the
//! table was the same, and defined the same, before the look, after it and now. What is not proven so is
//! counted.

use foldhash::HashMap;

use crate::cutoff::Bounds;
use crate::warehouse::{Definition, SeenPart, StoredPart};

/// The parts of a table that were looked at lately.
#[derive(Default)]
pub(in crate::engine) struct Seen {
    /// What the table was meanwhile; empty where nobody knows.
    definition: String,
    /// Each with the second of the server at which the look had not begun yet.
    parts: HashMap<String, (SeenPart, u32)>,
}

impl Seen {
    /// Adds what a look saw in parts, with what the table was before it and after it.
    pub(in crate::engine) fn add(
        &mut self,
        before: &Definition,
        after: &Definition,
        parts: HashMap<String, SeenPart>,
    ) {
        if before.id != after.id {
            return;
        }
        if self.definition != before.id {
            *self = Self {
                definition: before.id.clone(),
                ..Self::default()
            };
        }
        let parts = parts.into_iter();
        self.parts
            .extend(parts.map(|(name, part)| (name, (part, before.asked_s))));
    }

    /// Whether all rows of some parts, and there are any, are known to be inside of an interval.
    pub(super) fn proves(
        &self,
        definition: &Definition,
        stored: &[StoredPart],
        expired: Bounds,
    ) -> bool {
        let is_inside = |stored: &StoredPart| {
            self.parts.get(&stored.name).is_some_and(|(seen, asked_s)| {
                seen.n_rows == stored.n_rows
                    && stored.modified_s < *asked_s
                    && expired.covers(seen.oldest_ms, seen.newest_ms)
            })
        };
        let is_same = !definition.id.is_empty() && definition.id == self.definition;
        is_same && !stored.is_empty() && stored.iter().all(is_inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: Bounds = Bounds {
        below_ms: 100,
        from_ms: Some(10),
    };

    fn definition(id: &str) -> Definition {
        Definition {
            id: id.into(),
            asked_s: 50,
        }
    }

    fn part(name: &str, oldest_ms: i64, newest_ms: i64) -> HashMap<String, SeenPart> {
        let seen = SeenPart {
            n_rows: 3,
            oldest_ms,
            newest_ms,
        };
        [(name.to_owned(), seen)].into_iter().collect()
    }

    fn stored(name: &str, n_rows: u64) -> StoredPart {
        StoredPart {
            name: name.into(),
            n_rows,
            modified_s: 49,
        }
    }

    #[test]
    fn parts_prove_what_was_seen_in_all_of_their_rows() {
        let mut seen = Seen::default();
        let table = definition("table");
        seen.add(&table, &table, part("in", 11, 98));
        seen.add(&table, &table, part("young", 11, 101));
        seen.add(&table, &table, part("old", 9, 98));
        assert!(seen.proves(&table, &[stored("in", 3)], EXPIRED));
        let changed = StoredPart {
            modified_s: 50,
            ..stored("in", 3)
        };
        for others in [
            vec![],
            vec![changed],
            vec![stored("in", 4)],
            vec![stored("in", 3), stored("never seen", 0)],
            vec![stored("in", 3), stored("young", 3)],
            vec![stored("in", 3), stored("old", 3)],
        ] {
            assert!(!seen.proves(&table, &others, EXPIRED), "{others:?}");
        }
    }

    #[test]
    fn nothing_is_proven_of_a_table_that_was_another_one_meanwhile_or_is_now() {
        let there = [stored("in", 3)];
        let [table, other, unknown] = ["table", "other", ""].map(definition);
        let mut seen = Seen::default();
        seen.add(&table, &table, part("in", 11, 98));
        assert!(!seen.proves(&other, &there, EXPIRED));
        // A look that began before somebody else saw the table change ends after that.
        seen.add(&other, &other, part("another", 11, 98));
        seen.add(&table, &other, part("in", 11, 98));
        assert!(!seen.proves(&other, &there, EXPIRED));
        assert!(!seen.proves(&table, &there, EXPIRED));
        seen.add(&table, &table, part("in", 11, 98));
        assert!(!seen.proves(&other, &there, EXPIRED));
        assert!(seen.proves(&table, &there, EXPIRED));
        // What nobody can tell from another table proves nothing.
        seen.add(&unknown, &unknown, part("in", 11, 98));
        assert!(!seen.proves(&unknown, &there, EXPIRED));
    }
}
