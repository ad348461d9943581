//! The record that nobody can edit unnoticed: facts as entries of a hash chain.
//!
//! Invariant: an entry's hash covers its number, its fact in canonical form, and the hash before
//! it. No fact holds the content of a row.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When, in whole microseconds.
    pub at: Timestamp,
    /// Who did it: a person, a token, an instance.
    pub actor: String,
    /// What, such as `rule_created`.
    pub kind: String,
    /// The particulars: names, numbers, digests.
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
