//! Rules in SQLite.

mod list;

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::change::Change;
use super::fault::Fault;
use super::ports::{Inlet, Outlet};
use super::value::{instant_at, instant_text, signed, unsigned};
use super::{Asker, Sqlite};
use crate::ledger::fact::import::Written;
use crate::ledger::import::{ActiveRule, Batches, Keyed, decide, repeat};
use crate::ledger::row::{scope_columns, storable};
use crate::ledger::{
    Author, CreatedRule, Deactivation, ImportRule, ImportedRules, LedgerError, NewRule, RuleLedger,
    RuleRecord, fact,
};
use crate::rule::RuleId;
use crate::sql::sql;

#[async_trait]
impl RuleLedger for Sqlite {
    async fn create_rule(
        &self,
        rule: &NewRule,
        by: Author<'_>,
    ) -> Result<CreatedRule, LedgerError> {
        let (mut rule, by) = (rule.clone(), Asker::from(by));
        rule.created_at = storable(rule.created_at)?;
        self.write("create the rule", move |change| create(change, rule, &by))
            .await
    }

    async fn import_rules(
        &self,
        rules: &mut (dyn Iterator<Item = Result<ImportRule, String>> + Send),
        by: &str,
        now: Timestamp,
    ) -> Result<ImportedRules, LedgerError> {
        let (by, now) = (by.to_owned(), storable(now)?);
        let mut batches = Batches::new();
        self.write_batches(
            "import the rules",
            move || batches.next(rules),
            move |change, inlet| import(change, inlet, &by, now),
        )
        .await
    }

    async fn deactivate_rule(
        &self,
        id: RuleId,
        by: &str,
        at: Timestamp,
    ) -> Result<Deactivation, LedgerError> {
        let (by, at) = (by.to_owned(), storable(at)?);
        self.write("deactivate the rule", move |change| {
            deactivate(change, id, &by, at)
        })
        .await
    }

    async fn each_rule(
        &self,
        with_history: bool,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<RuleRecord>| {
            list::each(connection, with_history, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn each_rule_at(
        &self,
        revision: u64,
        visit: &mut (dyn FnMut(RuleRecord) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<RuleRecord>| {
            list::each_at(connection, revision, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn each_rule_within(
        &self,
        first: u64,
        last: u64,
        visit: &mut (dyn FnMut((RuleRecord, Range<u64>)) + Send),
    ) -> Result<(), LedgerError> {
        let look = move |connection: &Connection, outlet: &mut Outlet<(RuleRecord, Range<u64>)>| {
            list::each_within(connection, first, last, outlet)
        };
        self.stream("list the rules", look, visit).await
    }

    async fn rules_after(
        &self,
        after: RuleId,
        with_history: bool,
        limit: u32,
    ) -> Result<Vec<RuleRecord>, LedgerError> {
        self.read("list the rules", move |connection| {
            list::after(connection, after, with_history, limit)
        })
        .await
    }

    async fn rules_of(&self, ids: &[RuleId]) -> Result<Vec<RuleRecord>, LedgerError> {
        let ids = ids.to_vec();
        self.read("list the rules", move |connection| {
            list::some(connection, &ids)
        })
        .await
    }

    async fn rule(&self, id: RuleId) -> Result<Option<RuleRecord>, LedgerError> {
        self.read("read the rule", move |connection| list::one(connection, id))
            .await
    }
}

fn create(change: &mut Change<'_>, rule: NewRule, by: &Asker) -> Result<CreatedRule, Fault> {
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

fn import(
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

fn deactivate(
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
