//! The directory in SQLite.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Sqlite;
use super::change::Change;
use super::fault::Fault;
use super::ports::{Inlet, Outlet};
use crate::ledger::fact::import::Written;
use crate::ledger::import::{Batches, Keyed, Pair, changed_pairs, repeat};
use crate::ledger::{LedgerError, WorkspaceLedger};
use crate::sql::sql;

#[async_trait]
impl WorkspaceLedger for Sqlite {
    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError> {
        let by = by.to_owned();
        let mut batches = Batches::new();
        self.write_batches(
            "import the workspaces",
            move || batches.next(pairs),
            move |change, inlet| put(change, inlet, &by),
        )
        .await
    }

    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError> {
        let mut visit_pair = |(workspace, organization)| visit(workspace, organization);
        self.stream("list the workspaces", each, &mut visit_pair)
            .await
    }
}

fn put(change: &mut Change<'_>, inlet: &mut Inlet<Keyed<Pair>>, by: &str) -> Result<u64, Fault> {
    let mut n_changed = 0;
    let mut written = Written::default();
    while let Some(batch) = inlet.next()? {
        let changed = changed_pairs(&batch, &known(change, &batch)?);
        if changed.is_empty() {
            continue;
        }
        let sql = repeat(sql!("ledger/sqlite/put_workspaces.sql"), changed.len());
        let values = changed.iter().flat_map(
            |Keyed {
                 key,
                 value: (workspace, organization),
             }| {
                let key = Value::from(key.to_vec());
                [
                    key,
                    workspace.to_string().into(),
                    organization.to_string().into(),
                ]
            },
        );
        change
            .prepare_cached(&sql)?
            .execute(params_from_iter(values))?;
        written.add_workspaces(&changed);
        n_changed += u64::try_from(changed.len()).unwrap_or(u64::MAX);
    }
    if n_changed > 0 {
        let revision = change.raise()?;
        change.record(written.workspaces_put(n_changed, revision, by))?;
    }
    Ok(n_changed)
}

fn known(change: &Change<'_>, batch: &[Keyed<Pair>]) -> Result<HashMap<[u8; 32], String>, Fault> {
    let sql = repeat(sql!("ledger/sqlite/known_workspaces.sql"), batch.len());
    let mut statement = change.prepare_cached(&sql)?;
    let keys = params_from_iter(batch.iter().map(|pair| pair.key));
    let known = statement.query_map(keys, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(known.collect::<Result<_, _>>()?)
}

fn each(connection: &Connection, outlet: &mut Outlet<(String, String)>) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/each_workspace.sql"))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        outlet.push((row.get(0)?, row.get(1)?))?;
    }
    Ok(())
}
