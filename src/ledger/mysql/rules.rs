//! Rules in MySQL.

use std::ops::Range;

use jiff::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Value};

use super::limit::each_row;
use super::value::{column, instant, instant_value, optional_instant};
use super::{Change, Fault, Malformed};
use crate::ledger::fact::{self, Written};
use crate::ledger::import::{ActiveRule, Keyed, decide, repeat};
use crate::ledger::row::{RuleRow, scope_columns, storable};
use crate::ledger::{
    Author, CreatedRule, Deactivation, ImportRule, ImportedRules, LedgerError, NewRule, RuleRecord,
};
use crate::rule::RuleId;
use crate::sql::sql;

pub(super) async fn create(
    change: &mut Change<'_>,
    rule: &NewRule,
    by: Author<'_>,
) -> Result<CreatedRule, Fault> {
    if let Some((id, replaced)) = change.repeated(by.request).await? {
        let is_repeated = true;
        return Ok(CreatedRule {
            id,
            replaced,
            is_repeated,
        });
    }
    let key = rule.scope.key();
    let active = active(change, &[key]).await?;
    let replaced = active.first().map(|rule| rule.id);
    let revision = change.raise().await?;
    let at = rule.created_at;
    retire(change, replaced.as_slice(), by.name, at, revision).await?;
    let rules = [Keyed {
        key,
        value: rule.clone(),
    }];
    insert(change, &rules, by.name, revision).await?;
    let created = CreatedRule {
        id: change.inserted_id()?,
        replaced,
        is_repeated: false,
    };
    let result = (created.id, created.replaced);
    change.remember(by.request, &result).await?;
    change
        .record(fact::rule_created(rule, created, revision, by.name))
        .await?;
    Ok(created)
}

pub(super) async fn import(
    change: &mut Change<'_>,
    next: &mut (dyn FnMut() -> Result<Vec<Keyed<ImportRule>>, LedgerError> + Send),
    by: &str,
    now: Timestamp,
) -> Result<ImportedRules, Fault> {
    let mut imported = ImportedRules::default();
    let mut written = Written::default();
    let revision = change.revision().saturating_add(1);
    loop {
        let batch = next()?;
        if batch.is_empty() {
            break;
        }
        let keys: Vec<_> = batch.iter().map(|rule| rule.key).collect();
        let mut changes = decide(batch, &active(change, &keys).await?, now);
        for rule in &mut changes.create {
            rule.value.created_at = storable(rule.value.created_at)?;
        }
        retire(change, &changes.deactivate, by, now, revision).await?;
        insert(change, &changes.create, by, revision).await?;
        written.add_rules(change.inserted_id().ok(), &changes);
        changes.count_in(&mut imported);
    }
    if imported.n_created > 0 {
        let revision = change.raise().await?;
        change
            .record(written.rules_imported(imported, revision, by))
            .await?;
    }
    Ok(imported)
}

pub(super) async fn deactivate(
    change: &mut Change<'_>,
    id: RuleId,
    by: &str,
    at: Timestamp,
) -> Result<Deactivation, Fault> {
    let revision = change.revision().saturating_add(1);
    if retire(change, &[id], by, at, revision).await? > 0 {
        let revision = change.raise().await?;
        change
            .record(fact::rule_deactivated(id, at, revision, by))
            .await?;
        return Ok(Deactivation::Done);
    }
    let sql = sql!("ledger/mysql/rule_exists.sql");
    let found: Option<u8> = change.exec_first(sql, (id,)).await?;
    Ok(match found {
        Some(_) => Deactivation::AlreadyInactive,
        None => Deactivation::NotFound,
    })
}

pub(super) async fn each(
    connection: &mut Conn,
    with_history: bool,
    visit: &mut (dyn FnMut(RuleRecord) + Send),
) -> Result<(), Fault> {
    let sql = if with_history {
        sql!("ledger/mysql/each_rule.sql")
    } else {
        sql!("ledger/mysql/each_active_rule.sql")
    };
    stream(connection, sql, Params::Empty, visit).await
}

pub(super) async fn each_at(
    connection: &mut Conn,
    revision: u64,
    visit: &mut (dyn FnMut(RuleRecord) + Send),
) -> Result<(), Fault> {
    let sql = sql!("ledger/mysql/each_rule_at.sql");
    stream(connection, sql, (revision, revision).into(), visit).await
}

pub(super) async fn each_within(
    connection: &mut Conn,
    first: u64,
    last: u64,
    visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
) -> Result<(), Fault> {
    let sql = sql!("ledger/mysql/each_rule_within.sql");
    let mut visit_row = |mut row: Row| {
        let until: Option<u64> = column(&mut row, 11)?;
        let held = column(&mut row, 10)?..until.unwrap_or(u64::MAX);
        visit((record(&mut row)?, held));
        Ok(())
    };
    each_row(connection, sql, (first, last), &mut visit_row).await
}

async fn stream(
    connection: &mut Conn,
    sql: &str,
    values: Params,
    visit: &mut (dyn FnMut(RuleRecord) + Send),
) -> Result<(), Fault> {
    let mut visit_row = |mut row: Row| {
        visit(record(&mut row)?);
        Ok(())
    };
    each_row(connection, sql, values, &mut visit_row).await
}

pub(super) async fn after(
    connection: &mut Conn,
    after: RuleId,
    with_history: bool,
    limit: u32,
) -> Result<Vec<RuleRecord>, Fault> {
    let sql = if with_history {
        sql!("ledger/mysql/rules_after.sql")
    } else {
        sql!("ledger/mysql/active_rules_after.sql")
    };
    let rows: Vec<Row> = connection.exec(sql, (after, limit)).await?;
    rows.into_iter().map(|mut row| record(&mut row)).collect()
}

pub(super) async fn some(connection: &mut Conn, ids: &[RuleId]) -> Result<Vec<RuleRecord>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = repeat(sql!("ledger/mysql/rules_of.sql"), ids.len());
    let ids: Vec<Value> = ids.iter().map(Value::from).collect();
    let rows: Vec<Row> = connection.exec(sql, ids).await?;
    rows.into_iter().map(|mut row| record(&mut row)).collect()
}

pub(super) async fn one(connection: &mut Conn, id: RuleId) -> Result<Option<RuleRecord>, Fault> {
    let sql = sql!("ledger/mysql/rule.sql");
    let row: Option<Row> = connection.exec_first(sql, (id,)).await?;
    row.map(|mut row| record(&mut row)).transpose()
}

fn record(row: &mut Row) -> Result<RuleRecord, Fault> {
    let row = RuleRow {
        id: column(row, 0)?,
        organization: column(row, 1)?,
        workspace: column(row, 2)?,
        project: column(row, 3)?,
        retention: column(row, 4)?,
        apply_to_past: column(row, 5)?,
        created_at: instant(row, 6)?,
        created_by: column(row, 7)?,
        deactivated_at: optional_instant(row, 8)?,
        deactivated_by: column(row, 9)?,
    };
    Ok(row.record()?)
}

async fn active(change: &mut Change<'_>, keys: &[[u8; 32]]) -> Result<Vec<ActiveRule>, Fault> {
    let sql = repeat(sql!("ledger/mysql/active_rules.sql"), keys.len());
    let keys = keys.iter().map(Value::from).collect();
    let rows = change.rows(&sql, keys).await?;
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
    change: &mut Change<'_>,
    ids: &[RuleId],
    by: &str,
    at: Timestamp,
    revision: u64,
) -> Result<u64, Fault> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut values = vec![instant_value(at), by.into(), revision.into()];
    values.extend(ids.iter().map(Value::from));
    let sql = repeat(sql!("ledger/mysql/deactivate_rules.sql"), ids.len());
    change.execute(&sql, values).await
}

async fn insert(
    change: &mut Change<'_>,
    rules: &[Keyed<NewRule>],
    by: &str,
    revision: u64,
) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    let mut values = Vec::with_capacity(rules.len() * 10);
    for Keyed { key, value: rule } in rules {
        values.push(Value::from(rule.scope.kind()));
        values.extend(scope_columns(&rule.scope).map(Value::from));
        values.push(key.into());
        values.push((&rule.retention).into());
        values.push(rule.apply_to_past.into());
        values.push(instant_value(rule.created_at));
        values.push(by.into());
        values.push(revision.into());
    }
    let sql = repeat(sql!("ledger/mysql/insert_rules.sql"), rules.len());
    change.execute(&sql, values).await?;
    Ok(())
}
