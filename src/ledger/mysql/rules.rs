//! Rules in MySQL.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Transaction, Value};

use super::{
    Fault, begin_change, column, instant, instant_value, optional_instant, raise_revision,
};
use crate::ledger::import::{ActiveRule, Keyed, decide, repeat};
use crate::ledger::row::{Malformed, RuleRow, scope_columns, storable};
use crate::ledger::{
    CreatedRule, Deactivation, ImportRule, ImportedRules, LedgerError, NewRule, RuleRecord,
};
use crate::rule::RuleId;
use crate::sql::sql;

pub(super) async fn revision(connection: &mut Conn) -> Result<u64, Fault> {
    let revision = connection
        .exec_first(sql!("ledger/mysql/read_revision.sql"), ())
        .await?;
    Ok(revision.ok_or_else(|| Malformed("the table meta is empty".into()))?)
}

pub(super) async fn create(
    connection: &mut Conn,
    rule: &NewRule,
    by: &str,
) -> Result<CreatedRule, Fault> {
    let mut transaction = begin_change(connection).await?;
    let key = rule.scope.key();
    let replaced = active(&mut transaction, &[key])
        .await?
        .first()
        .map(|rule| rule.id);
    retire(&mut transaction, replaced.as_slice(), by, rule.created_at).await?;
    let rules = [Keyed {
        key,
        value: rule.clone(),
    }];
    let id = insert(&mut transaction, &rules, by).await?;
    raise_revision(&mut transaction).await?;
    transaction.commit().await?;
    let id = id.ok_or_else(|| Malformed("the table rules numbers no rows".into()))?;
    Ok(CreatedRule {
        id,
        replaced,
        is_repeated: false,
    })
}

pub(super) async fn import(
    connection: &mut Conn,
    next: &mut (dyn FnMut() -> Result<Vec<Keyed<ImportRule>>, LedgerError> + Send),
    by: &str,
    now: Timestamp,
) -> Result<ImportedRules, Fault> {
    let mut transaction = begin_change(connection).await?;
    let mut imported = ImportedRules::default();
    loop {
        let batch = next()?;
        if batch.is_empty() {
            break;
        }
        let keys: Vec<_> = batch.iter().map(|rule| rule.key).collect();
        let mut changes = decide(batch, &active(&mut transaction, &keys).await?, now);
        for rule in &mut changes.create {
            rule.value.created_at = storable(rule.value.created_at)?;
        }
        retire(&mut transaction, &changes.deactivate, by, now).await?;
        insert(&mut transaction, &changes.create, by).await?;
        changes.count_in(&mut imported);
    }
    if imported.n_created > 0 {
        raise_revision(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(imported)
}

pub(super) async fn deactivate(
    connection: &mut Conn,
    id: RuleId,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let mut transaction = begin_change(connection).await?;
    let is_done = retire(&mut transaction, &[id], by, at).await? > 0;
    if is_done {
        raise_revision(&mut transaction).await?;
    }
    let found: Option<u8> = transaction
        .exec_first(sql!("ledger/mysql/rule_exists.sql"), (id,))
        .await?;
    transaction.commit().await?;
    Ok(match (is_done, found) {
        (true, _) => Deactivation::Done,
        (false, Some(_)) => Deactivation::AlreadyInactive,
        (false, None) => Deactivation::NotFound,
    })
}

pub(super) async fn each(
    connection: &mut Conn,
    with_history: bool,
    visit: &mut (dyn FnMut(RuleRecord) + Send),
) -> Result<(), Fault> {
    let statement = if with_history {
        sql!("ledger/mysql/each_rule.sql")
    } else {
        sql!("ledger/mysql/each_active_rule.sql")
    };
    let mut rows = connection.exec_stream::<Row, _, _>(statement, ()).await?;
    while let Some(mut row) = rows.try_next().await? {
        let rule = RuleRow {
            id: column(&mut row, 0)?,
            organization: column(&mut row, 1)?,
            workspace: column(&mut row, 2)?,
            project: column(&mut row, 3)?,
            retention: column(&mut row, 4)?,
            apply_to_past: column(&mut row, 5)?,
            created_at: instant(&mut row, 6)?,
            created_by: column(&mut row, 7)?,
            deactivated_at: optional_instant(&mut row, 8)?,
            deactivated_by: column(&mut row, 9)?,
        };
        visit(rule.record()?);
    }
    Ok(())
}

async fn active(
    transaction: &mut Transaction<'_>,
    keys: &[[u8; 32]],
) -> Result<Vec<ActiveRule>, Fault> {
    let sql = repeat(sql!("ledger/mysql/active_rules.sql"), keys.len());
    let keys = keys.iter().map(Value::from).collect();
    let rows: Vec<Row> = transaction.exec(sql, Params::Positional(keys)).await?;
    let mut active = Vec::with_capacity(rows.len());
    for mut row in rows {
        let key: Vec<u8> = column(&mut row, 1)?;
        active.push(ActiveRule {
            id: column(&mut row, 0)?,
            key: key
                .try_into()
                .map_err(|_| Malformed("a scope_key is not 32 bytes".into()))?,
            retention: column(&mut row, 2)?,
            apply_to_past: column(&mut row, 3)?,
            created_at: instant(&mut row, 4)?,
        });
    }
    Ok(active)
}

/// Deactivates those of the rules that are active; returns how many were.
async fn retire(
    transaction: &mut Transaction<'_>,
    ids: &[RuleId],
    by: &str,
    at: Timestamp,
) -> Result<u64, Fault> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut values = vec![instant_value(at), by.into()];
    values.extend(ids.iter().map(Value::from));
    let sql = repeat(sql!("ledger/mysql/deactivate_rules.sql"), ids.len());
    transaction
        .exec_drop(sql, Params::Positional(values))
        .await?;
    Ok(transaction.affected_rows())
}

/// Inserts rules; returns the number of the first.
async fn insert(
    transaction: &mut Transaction<'_>,
    rules: &[Keyed<NewRule>],
    by: &str,
) -> Result<Option<RuleId>, Fault> {
    if rules.is_empty() {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(rules.len() * 9);
    for Keyed { key, value: rule } in rules {
        values.push(Value::from(rule.scope.kind()));
        values.extend(scope_columns(&rule.scope).map(Value::from));
        values.push(key.into());
        values.push((&rule.retention).into());
        values.push(rule.apply_to_past.into());
        values.push(instant_value(rule.created_at));
        values.push(by.into());
    }
    let sql = repeat(sql!("ledger/mysql/insert_rules.sql"), rules.len());
    transaction
        .exec_drop(sql, Params::Positional(values))
        .await?;
    Ok(transaction.last_insert_id())
}
