//! Ending a mutation of ours before it is finished.

use serde::Deserialize;

use super::{MutationState, Shard, WarehouseError};
use crate::sql::sql;

#[derive(clickhouse::Row, Deserialize)]
struct TableRow {
    table: String,
}

impl Shard {
    /// Ends a mutation of ours. What it did to some parts stays done. The server looks at its
    /// marker again, so a mutation of somebody else is never ended.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn kill_mutation(&self, mutation: &MutationState) -> Result<(), WarehouseError> {
        let query = self
            .statements
            .query_raw(sql!("clickhouse/kill_mutation.sql"))
            .param("table", &mutation.table)
            .param("id", &mutation.id)
            .param("marker", &mutation.marker);
        let killed = tokio::time::timeout(self.probe.limit, query.execute()).await;
        match killed {
            Ok(killed) => killed.map_err(|error| self.asker.translate(error, self.probe)),
            Err(_) => Err(self.asker.out_of_patience(self.probe)),
        }
    }

    /// The tables with an unfinished mutation of this id, whoever made it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn tables_with_mutation(&self, id: &str) -> Result<Vec<String>, WarehouseError> {
        let query = self
            .probes
            .query_raw(sql!("clickhouse/mutations_with_id.sql"))
            .param("id", id);
        let rows: Vec<TableRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(|row| row.table).collect())
    }
}
