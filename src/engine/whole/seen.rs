//! What looks of this engine saw in the parts of a table. A part never changes: what was seen in it holds
//! for as long as it is there.
//!
//! Invariant: a part proves something only where as many of its rows were seen, each with an age and a
//! workspace, as are stored in it; where no patch waits for it, and the table is defined as it was when it
//! was looked at. Whatever is not proven so is counted.

use foldhash::HashMap;

use crate::cutoff::Bounds;
use crate::plan::CensusPart;
use crate::warehouse::StoredPart;

/// The parts of a table that were looked at lately.
#[derive(Default)]
pub(in crate::engine) struct Seen {
    /// What the table was before anything was looked at.
    definition: Option<String>,
    parts: HashMap<String, CensusPart>,
}

impl Seen {
    /// Nothing yet of a table.
    pub(in crate::engine) fn of(definition: Option<String>) -> Self {
        Self {
            definition,
            ..Self::default()
        }
    }

    /// Forgets what was seen where the table is another one now.
    pub(super) fn now(&mut self, definition: Option<String>) {
        if self.definition != definition {
            *self = Self::of(definition);
        }
    }

    /// Adds parts that were looked at since.
    pub(in crate::engine) fn add(&mut self, parts: impl IntoIterator<Item = (String, CensusPart)>) {
        self.parts.extend(parts);
    }

    /// Whether all rows of some parts, and there are any, are inside of an interval.
    pub(super) fn proves(&self, stored: &[StoredPart], expired: Bounds) -> bool {
        let is_inside = |stored: &StoredPart| {
            self.parts.get(&stored.name).is_some_and(|seen| {
                seen.n_rows == stored.n_rows && expired.covers(seen.oldest_ms, seen.newest_ms)
            })
        };
        self.definition.is_some() && !stored.is_empty() && stored.iter().all(is_inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: Bounds = Bounds {
        below_ms: 100,
        from_ms: Some(10),
    };

    fn stored(name: &str, n_rows: u64) -> StoredPart {
        StoredPart {
            name: name.into(),
            n_rows,
        }
    }

    #[test]
    fn parts_prove_what_was_seen_in_all_of_their_rows_while_the_table_is_the_same() {
        let mut seen = Seen::of(Some("table".into()));
        let part = |oldest_ms, newest_ms| CensusPart {
            n_rows: 3,
            oldest_ms,
            newest_ms,
        };
        seen.add([
            ("in".to_owned(), part(11, 98)),
            ("young".to_owned(), part(11, 101)),
            ("old".to_owned(), part(9, 98)),
        ]);
        let there = [stored("in", 3)];
        assert!(seen.proves(&there, EXPIRED));
        for others in [
            vec![],
            vec![stored("in", 4)],
            vec![stored("in", 3), stored("never seen", 0)],
            vec![stored("in", 3), stored("young", 3)],
            vec![stored("in", 3), stored("old", 3)],
        ] {
            assert!(!seen.proves(&others, EXPIRED), "{others:?}");
        }
        seen.now(Some("table".into()));
        assert!(seen.proves(&there, EXPIRED));
        for other in [Some("another".to_owned()), None] {
            seen.now(other);
            assert!(!seen.proves(&there, EXPIRED));
        }
        // What nobody can tell from another table proves nothing.
        seen.add([("in".to_owned(), part(11, 98))]);
        assert!(!seen.proves(&there, EXPIRED));
    }
}
