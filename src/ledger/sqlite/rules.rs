//! Rules in SQLite.

use std::ops::Range;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::value::{instant_at, optional_instant_at};
use super::{Asker, Change, Fault, Inlet, Outlet, instant_text, signed, unsigned};
use crate::ledger::fact::{self, Written};
use crate::ledger::import::{ActiveRule, Keyed, decide, repeat};
use crate::ledger::row::{RuleRow, scope_columns, storable};
use crate::ledger::{CreatedRule, Deactivation, ImportRule, ImportedRules, NewRule, RuleRecord};
use crate::rule::RuleId;
use crate::sql::sql;

pub(super) fn create(
    change: &mut Change<'_>,
    rule: NewRule,
    by: &Asker,
) -> Result<CreatedRule, Fault> {
    if let Some((id, replaced)) = change.repeated(by.request.as_ref())? {
        let is_repeated = true;
        return Ok(CreatedRule {
            id,
            replaced,
            is_repeated,
        });
    }
    let (key, at) = (rule.scope.key(), rule.created_at);
    let replaced = active(change, &[key])?.first().map(|rule| rule.id);
    let revision = change.raise()?;
    retire(change, replaced.as_slice(), &by.name, at, revision)?;
    let rules = [Keyed { key, value: rule }];
    insert(change, &rules, &by.name, revision)?;
    let created = CreatedRule {
        id: unsigned(change.last_insert_rowid())?,
        replaced,
        is_repeated: false,
    };
    change.remember(by.request.as_ref(), &(created.id, created.replaced))?;
    let [Keyed { value: rule, .. }] = &rules;
    change.record(fact::rule_created(rule, created, revision, &by.name))?;
    Ok(created)
}

pub(super) fn import(
    change: &mut Change<'_>,
    inlet: &mut Inlet<Keyed<ImportRule>>,
    by: &str,
    now: Timestamp,
) -> Result<ImportedRules, Fault> {
    let mut imported = ImportedRules::default();
    let mut written = Written::default();
    let revision = change.revision().saturating_add(1);
    while let Some(batch) = inlet.next()? {
        let keys: Vec<_> = batch.iter().map(|rule| rule.key).collect();
        let mut changes = decide(batch, &active(change, &keys)?, now);
        for rule in &mut changes.create {
            rule.value.created_at = storable(rule.value.created_at)?;
        }
        retire(change, &changes.deactivate, by, now, revision)?;
        insert(change, &changes.create, by, revision)?;
        // The rows of one statement have numbers without gaps.
        let last = unsigned(change.last_insert_rowid())?;
        let n_more = u64::try_from(changes.create.len())
            .unwrap_or(1)
            .saturating_sub(1);
        written.add_rules(last.checked_sub(n_more), &changes);
        changes.count_in(&mut imported);
    }
    if imported.n_created > 0 {
        let revision = change.raise()?;
        change.record(written.rules_imported(imported, revision, by))?;
    }
    Ok(imported)
}

pub(super) fn deactivate(
    change: &mut Change<'_>,
    id: RuleId,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let revision = change.revision().saturating_add(1);
    if retire(change, &[id], by, at, revision)? > 0 {
        let revision = change.raise()?;
        change.record(fact::rule_deactivated(id, at, revision, by))?;
        return Ok(Deactivation::Done);
    }
    let mut statement = change.prepare(sql!("ledger/sqlite/rule_exists.sql"))?;
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
        outlet.push(record(row)?)?;
    }
    Ok(())
}

pub(super) fn each_at(
    connection: &Connection,
    revision: u64,
    outlet: &mut Outlet<RuleRecord>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/each_rule_at.sql"))?;
    let mut rows = statement.query([signed(revision)?])?;
    while let Some(row) = rows.next()? {
        outlet.push(record(row)?)?;
    }
    Ok(())
}

pub(super) fn each_within(
    connection: &Connection,
    first: u64,
    last: u64,
    outlet: &mut Outlet<(RuleRecord, Range<u64>)>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql!("ledger/sqlite/each_rule_within.sql"))?;
    let mut rows = statement.query([signed(first)?, signed(last)?])?;
    while let Some(row) = rows.next()? {
        let until: Option<i64> = row.get(11)?;
        let until = until.map(unsigned).transpose()?.unwrap_or(u64::MAX);
        outlet.push((record(row)?, unsigned(row.get(10)?)?..until))?;
    }
    Ok(())
}

pub(super) fn after(
    connection: &Connection,
    after: RuleId,
    with_history: bool,
    limit: u32,
) -> Result<Vec<RuleRecord>, Fault> {
    let mut statement = connection.prepare_cached(if with_history {
        sql!("ledger/sqlite/rules_after.sql")
    } else {
        sql!("ledger/sqlite/active_rules_after.sql")
    })?;
    let mut rows = statement.query(params![signed(after)?, limit])?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.push(record(row)?);
    }
    Ok(rules)
}

pub(super) fn some(connection: &Connection, ids: &[RuleId]) -> Result<Vec<RuleRecord>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = repeat(sql!("ledger/sqlite/rules_of.sql"), ids.len());
    let ids = ids.iter().map(|id| signed(*id));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(ids.collect::<Result<Vec<_>, _>>()?))?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.push(record(row)?);
    }
    Ok(rules)
}

pub(super) fn one(connection: &Connection, id: RuleId) -> Result<Option<RuleRecord>, Fault> {
    let mut statement = connection.prepare_cached(sql!("ledger/sqlite/rule.sql"))?;
    let mut rows = statement.query([signed(id)?])?;
    rows.next()?.map(record).transpose()
}

fn record(row: &Row<'_>) -> Result<RuleRecord, Fault> {
    let row = RuleRow {
        id: unsigned(row.get(0)?)?,
        organization: row.get(1)?,
        workspace: row.get(2)?,
        project: row.get(3)?,
        retention: row.get(4)?,
        apply_to_past: row.get(5)?,
        created_at: instant_at(row, 6)?,
        created_by: row.get(7)?,
        deactivated_at: optional_instant_at(row, 8)?,
        deactivated_by: row.get(9)?,
    };
    Ok(row.record()?)
}

fn active(change: &Change<'_>, keys: &[[u8; 32]]) -> Result<Vec<ActiveRule>, Fault> {
    let sql = repeat(sql!("ledger/sqlite/active_rules.sql"), keys.len());
    let mut statement = change.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(keys))?;
    let mut active = Vec::with_capacity(keys.len());
    while let Some(row) = rows.next()? {
        active.push(ActiveRule {
            id: unsigned(row.get(0)?)?,
            key: row.get(1)?,
            retention: row.get(2)?,
            apply_to_past: row.get(3)?,
            created_at: instant_at(row, 4)?,
        });
    }
    Ok(active)
}

/// Deactivates those of the rules that are active; returns how many were.
fn retire(
    change: &Change<'_>,
    ids: &[RuleId],
    by: &str,
    at: Timestamp,
    revision: u64,
) -> Result<usize, Fault> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut values = vec![Value::from(instant_text(at)), Value::from(by.to_owned())];
    values.push(signed(revision)?.into());
    for id in ids {
        values.push(signed(*id)?.into());
    }
    let sql = repeat(sql!("ledger/sqlite/deactivate_rules.sql"), ids.len());
    Ok(change
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?)
}

fn insert(
    change: &Change<'_>,
    rules: &[Keyed<NewRule>],
    by: &str,
    revision: u64,
) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let mut values = Vec::with_capacity(rules.len() * 10);
    for Keyed { key, value: rule } in rules {
        values.push(Value::from(rule.scope.kind().to_owned()));
        values.extend(scope_columns(&rule.scope).map(|name| Value::from(name.map(str::to_owned))));
        values.push(key.to_vec().into());
        values.push(rule.retention.clone().into());
        values.push(rule.apply_to_past.into());
        values.push(instant_text(rule.created_at).into());
        values.push(by.to_owned().into());
        values.push(signed(revision)?.into());
    }
    let sql = repeat(sql!("ledger/sqlite/insert_rules.sql"), rules.len());
    change
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?;
    Ok(())
}
