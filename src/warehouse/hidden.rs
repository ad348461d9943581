//! Rows that a row policy hides from this user: no count sees them, and whoever moves or drops their
//! partition takes them along.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::{Shard, WarehouseError};
use crate::sql::sql;

/// A partition in which this user does not see every row.
#[derive(Debug, clickhouse::Row, Deserialize)]
pub(crate) struct Hidden {
    /// Its id.
    pub(crate) partition: String,
    /// Rows as the server stores them.
    pub(crate) n_stored: u64,
    /// Rows as this user sees them.
    pub(crate) n_seen: u64,
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            n_stored,
            n_seen,
        } = self;
        write!(
            f,
            "of {n_stored} rows in partition {partition} this user sees {n_seen}; a row policy hides the \
             others, or they are being merged"
        )
    }
}

impl Shard {
    /// Those of some partitions in which this user does not see every row, in whichever part.
    pub(crate) async fn hidden_rows(
        &self,
        table: &str,
        partitions: &[Arc<str>],
    ) -> Result<Vec<Hidden>, WarehouseError> {
        let partitions: Vec<&str> = partitions.iter().map(|id| &**id).collect();
        let query = self
            .probes
            .query_raw(sql!("clickhouse/hidden_rows.sql"))
            .param("table", table)
            .param("partitions", partitions);
        self.fetch_in_turn(query).await
    }
}
