//! What is wrong with a chain of entries, told while they stream by.

use std::fmt;

use serde::Serialize;

use super::{Entry, Head};

/// The kind of the fact that the beginning of the record was removed because it was old.
const PRUNED: &str = "record_pruned";

/// Something that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "flaw", rename_all = "snake_case")]
pub enum Flaw {
    /// What an entry holds is not what its hash was made of.
    Edited {
        /// Its number.
        seq: u64,
    },
    /// An entry does not name the hash of the one before it: one of the two was exchanged.
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// Entries are not there, and nothing says that they were pruned.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// An entry comes after one with the same or a higher number.
    Reordered {
        /// Its number.
        seq: u64,
        /// The number of the entry before it.
        after: u64,
    },
    /// The chain does not lead to a head that was kept: it was written anew.
    Rewritten {
        /// The number of the head.
        seq: u64,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { seq } => write!(f, "entry {seq} was edited"),
            Self::Unlinked { seq } => {
                write!(f, "entry {seq} does not continue the entry before it")
            }
            Self::Missing { from, to } if from == to => write!(f, "entry {from} is missing"),
            Self::Missing { from, to } => write!(f, "entries {from} to {to} are missing"),
            Self::Reordered { seq, after } => write!(f, "entry {seq} comes after entry {after}"),
            Self::Rewritten { seq } => {
                write!(f, "entry {seq} is another one than when its hash was kept")
            }
        }
    }
}

/// Verifies a chain entry by entry, in bounded memory.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// Heads that were kept elsewhere: the chain must lead to each of them.
    kept: Vec<Head>,
    /// What the first entry continues.
    start: Option<Head>,
    /// What the latest entry that says so names as pruned.
    pruned: Option<Head>,
    last: Option<Head>,
    n_entries: u64,
}

impl Chain {
    /// A chain that must lead to these heads: the one that the ledger keeps, and what an operator
    /// kept elsewhere. Without any, entries cut off at the end are not missed.
    pub fn new(kept: impl IntoIterator<Item = Head>) -> Self {
        Self {
            kept: kept.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes the next entry; returns what is wrong with it or between it and the one before.
    pub fn push(&mut self, entry: &Entry) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let seq = entry.seq;
        if let Some(last) = &self.last {
            let expected = last.seq.saturating_add(1);
            if seq < expected {
                flaws.push(Flaw::Reordered {
                    seq,
                    after: last.seq,
                });
            } else if seq > expected {
                let to = seq.saturating_sub(1);
                flaws.push(Flaw::Missing { from: expected, to });
            } else if entry.previous != last.hash {
                flaws.push(Flaw::Unlinked { seq });
            }
        } else {
            self.start = Some(Head {
                seq: seq.saturating_sub(1),
                hash: entry.previous.clone(),
            });
        }
        if !entry.is_sealed() {
            flaws.push(Flaw::Edited { seq });
        }
        let is_other = |kept: &Head| kept.seq == seq && kept.hash != entry.hash;
        if self.kept.iter().any(is_other) {
            flaws.push(Flaw::Rewritten { seq });
        }
        if entry.fact.kind == PRUNED {
            self.pruned = pruned(entry).or(self.pruned.take());
        }
        self.n_entries += 1;
        self.last = Some(entry.head());
        flaws
    }

    /// What can only be told at the end: whether the beginning and the end are there.
    pub fn finish(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let empty = Head::empty();
        let start = self.start.as_ref().unwrap_or(&empty);
        if *start != empty && self.pruned.as_ref() != Some(start) {
            flaws.push(if start.seq == 0 {
                Flaw::Unlinked { seq: 1 }
            } else {
                Flaw::Missing {
                    from: 1,
                    to: start.seq,
                }
            });
        }
        if self
            .kept
            .iter()
            .any(|kept| kept.seq == start.seq && kept != start)
        {
            flaws.push(Flaw::Rewritten { seq: start.seq });
        }
        let end = self.head();
        if let Some(to) = self.kept.iter().map(|kept| kept.seq).max()
            && to > end.seq
        {
            let from = end.seq.saturating_add(1);
            flaws.push(Flaw::Missing { from, to });
        }
        flaws
    }

    /// The end of the chain so far.
    pub fn head(&self) -> Head {
        self.last.clone().unwrap_or_default()
    }

    /// How many entries there were.
    pub fn n_entries(&self) -> u64 {
        self.n_entries
    }

    /// The kept heads that lie before the first entry that is left: nothing can be told of them.
    pub fn kept_before_start(&self) -> impl Iterator<Item = &Head> {
        let start = self.start.as_ref().map_or(0, |start| start.seq);
        self.kept.iter().filter(move |kept| kept.seq < start)
    }
}

/// The last entry that a `record_pruned` removed.
fn pruned(entry: &Entry) -> Option<Head> {
    let seq = entry.fact.body.get("up_to")?.as_u64()?;
    let hash = entry.fact.body.get("hash")?.as_str()?.to_owned();
    Some(Head { seq, hash })
}
