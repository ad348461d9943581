//! The record that nobody can edit unnoticed: facts as entries of a hash chain.
//!
//! Invariant: an entry's hash covers its number, the hash before it, and its fact in canonical form.
//! No fact holds the content of a row.

mod canonical;
mod chain;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use canonical::{NotCanonical, canonical};
pub use chain::{Chain, Flaw};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When, in whole microseconds, by the clock of the database.
    pub at: Timestamp,
    /// Who did it: a person, a token, an instance.
    pub actor: String,
    /// What, such as `rule_created`.
    pub kind: String,
    /// The particulars: names, numbers, digests. No fractions: see [`canonical()`].
    pub body: serde_json::Value,
}

/// A fact in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The fact.
    #[serde(flatten)]
    pub fact: Fact,
    /// The hash of the entry before it, in hexadecimal.
    pub previous: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

/// The end of a chain: the number and hash of its last entry. Whoever keeps one elsewhere can later
/// tell that nothing up to it was changed or cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last entry, which is also how many there ever were.
    pub seq: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl Head {
    /// The head of a chain without entries: number 0, and a hash of zeros.
    pub fn empty() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(64),
        }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::empty()
    }
}

impl Entry {
    /// The chain up to here.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }

    /// Whether its hash is that of what it holds.
    fn is_sealed(&self) -> bool {
        hash(self.seq, &self.previous, &self.fact).is_ok_and(|hash| hash == self.hash)
    }
}

/// The entry that continues a chain with a fact.
///
/// ```
/// use ebbtide::{Chain, Fact, Flaw, Head, seal};
/// use serde_json::json;
///
/// let fact = |kind: &str| Fact {
///     at: "2026-11-21T10:00:00Z".parse().unwrap(),
///     actor: "eva".into(),
///     kind: kind.into(),
///     body: json!({"rule": 1}),
/// };
/// let first = seal(&Head::empty(), fact("rule_created"))?;
/// let mut second = seal(&first.head(), fact("rule_deactivated"))?;
/// let kept = second.head();
///
/// // Somebody edits the record.
/// second.fact.actor = "tom".into();
///
/// let mut chain = Chain::new([kept]);
/// assert_eq!(chain.push(&first), []);
/// assert_eq!(chain.push(&second), [Flaw::Edited { seq: 2 }]);
/// assert_eq!(chain.finish(), []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NotCanonical`] if the body holds a number that is no integer.
pub fn seal(previous: &Head, fact: Fact) -> Result<Entry, NotCanonical> {
    let seq = previous.seq.saturating_add(1);
    let hash = hash(seq, &previous.hash, &fact)?;
    Ok(Entry {
        seq,
        fact,
        previous: previous.hash.clone(),
        hash,
    })
}

/// SHA-256 over three lines: the number, the hash before it, and the canonical form of
/// `{"actor", "at", "body", "kind"}`.
fn hash(seq: u64, previous: &str, fact: &Fact) -> Result<String, NotCanonical> {
    let fact = serde_json::json!({
        "actor": fact.actor,
        "at": fact.at.to_string(),
        "body": fact.body,
        "kind": fact.kind,
    });
    let text = format!("{seq}\n{previous}\n{}", canonical(&fact)?);
    Ok(format!("{:x}", Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests;
