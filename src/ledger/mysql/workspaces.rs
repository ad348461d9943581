//! The directory in MySQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::{Conn, Row, Value};

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::limit::{NO_LIMIT, each_row};
use super::run::{in_change, on_connection};
use super::value::column;
use crate::ledger::fact::import::Written;
use crate::ledger::import::{Batches, Keyed, Pair, changed_pairs, repeat};
use crate::ledger::row::Malformed;
use crate::ledger::{LedgerError, WorkspaceLedger};
use crate::sql::sql;

#[async_trait]
impl WorkspaceLedger for MySql {
    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError> {
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *pairs);
        in_change!(self, "import the workspaces",
            NO_LIMIT, change => put(change, &mut next, by))
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the workspaces", NO_LIMIT, connection => each(connection, visit))
    }
}

async fn put(
    change: &mut Change<'_>,
    next: &mut (dyn FnMut() -> Result<Vec<Keyed<Pair>>, LedgerError> + Send),
    by: &str,
) -> Result<u64, Fault> {
    let mut n_changed = 0;
    let mut written = Written::default();
    loop {
        let batch = next()?;
        if batch.is_empty() {
            break;
        }
        let changed = changed_pairs(&batch, &known(change, &batch).await?);
        if changed.is_empty() {
            continue;
        }
        let sql = repeat(sql!("ledger/mysql/put_workspaces.sql"), changed.len());
        let values = changed.iter().flat_map(
            |Keyed {
                 key,
                 value: (workspace, organization),
             }| {
                [
                    Value::from(key),
                    Value::from(&**workspace),
                    Value::from(&**organization),
                ]
            },
        );
        change.execute(&sql, values.collect()).await?;
        written.add_workspaces(&changed);
        n_changed += u64::try_from(changed.len()).unwrap_or(u64::MAX);
    }
    if n_changed > 0 {
        let revision = change.raise().await?;
        change
            .record(written.workspaces_put(n_changed, revision, by))
            .await?;
    }
    Ok(n_changed)
}

async fn known(
    change: &mut Change<'_>,
    batch: &[Keyed<Pair>],
) -> Result<HashMap<[u8; 32], String>, Fault> {
    let sql = repeat(sql!("ledger/mysql/known_workspaces.sql"), batch.len());
    let keys = batch.iter().map(|pair| Value::from(pair.key)).collect();
    let rows = change.rows(&sql, keys).await?;
    let mut known = HashMap::with_capacity(rows.len());
    for mut row in rows {
        let key: Vec<u8> = column(&mut row, 0)?;
        let key = key
            .try_into()
            .map_err(|_| Malformed("a key is not 32 bytes".into()))?;
        known.insert(key, column(&mut row, 1)?);
    }
    Ok(known)
}

async fn each(
    connection: &mut Conn,
    visit: &mut (dyn FnMut(String, String) + Send),
) -> Result<(), Fault> {
    let sql = sql!("ledger/mysql/each_workspace.sql");
    let mut visit_row = |mut row: Row| {
        visit(column(&mut row, 0)?, column(&mut row, 1)?);
        Ok(())
    };
    each_row(connection, sql, (), &mut visit_row).await
}
