//! Reading rules from SQLite.

use std::ops::Range;

use rusqlite::{Connection, Row, params, params_from_iter};

use crate::ledger::RuleRecord;
use crate::ledger::import::repeat;
use crate::ledger::row::RuleRow;
use crate::ledger::sqlite::fault::Fault;
use crate::ledger::sqlite::ports::Outlet;
use crate::ledger::sqlite::value::{instant_at, optional_instant_at, signed, unsigned};
use crate::rule::RuleId;
use crate::sql::sql;

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
