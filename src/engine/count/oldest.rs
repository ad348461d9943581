//! How old the oldest rows are, as a census saw them.

use std::sync::{Arc, OnceLock};

use foldhash::HashMap;

use crate::plan::CensusRow;

/// How old the oldest row of each workspace is, for whoever has to know.
pub(in crate::engine) struct Oldest<'a> {
    census: &'a [CensusRow],
    known: OnceLock<HashMap<Arc<str>, i64>>,
}

impl<'a> Oldest<'a> {
    pub(in crate::engine) fn of(census: &'a [CensusRow]) -> Self {
        let known = OnceLock::new();
        Self { census, known }
    }

    pub(in crate::engine) fn ms(&self, workspace: &str) -> Option<i64> {
        let known = self.known.get_or_init(|| {
            let readable = self.census.iter().filter(|row| row.is_readable);
            let rows =
                readable.filter_map(|row| Some((Arc::clone(&row.workspace), row.oldest_ms?)));
            rows.collect()
        });
        known.get(workspace).copied()
    }
}
