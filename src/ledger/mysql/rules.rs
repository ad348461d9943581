//! Rules in MySQL.

mod list;

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use mysql_async::Value;
use mysql_async::prelude::Queryable;

use super::MySql;
use super::change::Change;
use super::fault::Fault;
use super::limit::NO_LIMIT;
use super::run::{in_change, on_connection, retried};
use super::value::{column, instant, instant_value};
use crate::ledger::fact::import::Written;
use crate::ledger::import::{ActiveRule, Batches, Keyed, decide, repeat};
use crate::ledger::row::{Malformed, scope_columns, storable};
use crate::ledger::{
    Author, CreatedRule, Deactivation, ImportRule, ImportedRules, LedgerError, NewRule, RuleLedger,
    RuleRecord, fact,
};
use crate::rule::RuleId;
use crate::sql::sql;

#[async_trait]
impl RuleLedger for MySql {
    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let mut rule = rule.clone();
        rule.created_at = storable(rule.created_at)?;
        retried!(self, "create the rule", change => create(change, &rule, by))
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let now = storable(now)?;
        let mut batches = Batches::new();
        let mut next = move || batches.next(&mut *rules);
        in_change!(self, "import the rules",
            NO_LIMIT, change => import(change, &mut next, by, now))
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let at = storable(at)?;
        retried!(self, "deactivate the rule", change => deactivate(change, id, by, at))
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => list::each(connection, with_history, visit))
    }

    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => list::each_at(connection, revision, visit))
    }

    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError> {
        on_connection!(self, "list the rules", NO_LIMIT, connection => list::each_within(connection, first, last, visit))
    }

    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError> {
        on_connection!(self, "list the rules", connection => list::after(connection, after, with_history, limit))
    }

    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError> {
        on_connection!(self, "list the rules", connection => list::some(connection, ids))
    }

    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError> {
        on_connection!(self, "read the rule", connection => list::one(connection, id))
    }
}

async fn create(
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

async fn import(
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

async fn deactivate(
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
