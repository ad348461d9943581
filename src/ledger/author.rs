//! Who changes the ledger, and how a repeated request is recognised.

/// Who asks for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author<'a> {
    /// The name that the record keeps: of a person, a token, or an instance.
    pub name: &'a str,
    /// The request, where it may come twice and must act once.
    pub request: Option<&'a RequestKey>,
}

impl<'a> From<&'a str> for Author<'a> {
    fn from(name: &'a str) -> Self {
        Self {
            name,
            request: None,
        }
    }
}

/// Identifies a request that a client may send again. Kept for a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// SHA-256 over the client and its key.
    pub key: [u8; 32],
    /// SHA-256 over what was asked: method, path and body.
    pub request: [u8; 32],
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// The new row.
    pub id: u64,
    /// Whether it was there before: the same request created it, or its scope was paused already.
    /// Nothing was changed now.
    pub is_repeated: bool,
}
