//! Rules in SQLite.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params_from_iter};

use super::{Fault, Inlet, Outlet, instant, instant_text, raise_revision, signed, unsigned};
use crate::ledger::import::{ActiveRule, Keyed, decide, repeat};
use crate::ledger::row::{RuleRow, scope_columns, storable};
use crate::ledger::{CreatedRule, Deactivation, ImportRule, ImportedRules, NewRule, RuleRecord};
use crate::rule::RuleId;
use crate::sql::sql;

pub(super) fn create(
    transaction: &Transaction<'_>,
    rule: NewRule,
    by: &str,
) -> Result<CreatedRule, Fault> {
    let (key, at) = (rule.scope.key(), rule.created_at);
    let replaced = active(transaction, &[key])?.first().map(|rule| rule.id);
    retire(transaction, replaced.as_slice(), by, at)?;
    insert(transaction, &[Keyed { key, value: rule }], by)?;
    let id = unsigned(transaction.last_insert_rowid())?;
    raise_revision(transaction)?;
    Ok(CreatedRule {
        id,
        replaced,
        is_repeated: false,
    })
}

pub(super) fn import(
    transaction: &Transaction<'_>,
    inlet: &mut Inlet<Keyed<ImportRule>>,
    by: &str,
    now: Timestamp,
) -> Result<ImportedRules, Fault> {
    let mut imported = ImportedRules::default();
    while let Some(batch) = inlet.next()? {
        let keys: Vec<_> = batch.iter().map(|rule| rule.key).collect();
        let mut changes = decide(batch, &active(transaction, &keys)?, now);
        for rule in &mut changes.create {
            rule.value.created_at = storable(rule.value.created_at)?;
        }
        retire(transaction, &changes.deactivate, by, now)?;
        insert(transaction, &changes.create, by)?;
        changes.count_in(&mut imported);
    }
    if imported.n_created > 0 {
        raise_revision(transaction)?;
    }
    Ok(imported)
}

pub(super) fn deactivate(
    transaction: &Transaction<'_>,
    id: RuleId,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    if retire(transaction, &[id], by, at)? > 0 {
        raise_revision(transaction)?;
        return Ok(Deactivation::Done);
    }
    let mut statement = transaction.prepare(sql!("ledger/sqlite/rule_exists.sql"))?;
    Ok(if statement.exists([signed(id)?])? {
        Deactivation::AlreadyInactive
    } else {
        Deactivation::NotFound
    })
}

pub(super) fn each(
    connection: &Connection,
    with_history: bool,
    outlet: &mut Outlet<RuleRecord>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(if with_history {
        sql!("ledger/sqlite/each_rule.sql")
    } else {
        sql!("ledger/sqlite/each_active_rule.sql")
    })?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let deactivated_at: Option<String> = row.get(8)?;
        let rule = RuleRow {
            id: unsigned(row.get(0)?)?,
            organization: row.get(1)?,
            workspace: row.get(2)?,
            project: row.get(3)?,
            retention: row.get(4)?,
            apply_to_past: row.get(5)?,
            created_at: instant(&row.get::<_, String>(6)?)?,
            created_by: row.get(7)?,
            deactivated_at: deactivated_at.as_deref().map(instant).transpose()?,
            deactivated_by: row.get(9)?,
        };
        outlet.push(rule.record()?)?;
    }
    Ok(())
}

fn active(transaction: &Transaction<'_>, keys: &[[u8; 32]]) -> Result<Vec<ActiveRule>, Fault> {
    let sql = repeat(sql!("ledger/sqlite/active_rules.sql"), keys.len());
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(keys))?;
    let mut active = Vec::with_capacity(keys.len());
    while let Some(row) = rows.next()? {
        active.push(ActiveRule {
            id: unsigned(row.get(0)?)?,
            key: row.get(1)?,
            retention: row.get(2)?,
            apply_to_past: row.get(3)?,
            created_at: instant(&row.get::<_, String>(4)?)?,
        });
    }
    Ok(active)
}

/// Deactivates those of the rules that are active; returns how many were.
fn retire(
    transaction: &Transaction<'_>,
    ids: &[RuleId],
    by: &str,
    at: Timestamp,
) -> Result<usize, Fault> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut values = vec![Value::from(instant_text(at)), Value::from(by.to_owned())];
    for id in ids {
        values.push(signed(*id)?.into());
    }
    let sql = repeat(sql!("ledger/sqlite/deactivate_rules.sql"), ids.len());
    Ok(transaction
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?)
}

fn insert(transaction: &Transaction<'_>, rules: &[Keyed<NewRule>], by: &str) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let mut values = Vec::with_capacity(rules.len() * 9);
    for Keyed { key, value: rule } in rules {
        values.push(Value::from(rule.scope.kind().to_owned()));
        values.extend(scope_columns(&rule.scope).map(|name| Value::from(name.map(str::to_owned))));
        values.push(key.to_vec().into());
        values.push(rule.retention.clone().into());
        values.push(rule.apply_to_past.into());
        values.push(instant_text(rule.created_at).into());
        values.push(by.to_owned().into());
    }
    let sql = repeat(sql!("ledger/sqlite/insert_rules.sql"), rules.len());
    transaction
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?;
    Ok(())
}
