//! Reading rules from MySQL.

use std::ops::Range;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row, Value};

use crate::ledger::RuleRecord;
use crate::ledger::import::repeat;
use crate::ledger::mysql::fault::Fault;
use crate::ledger::mysql::limit::each_row;
use crate::ledger::mysql::value::{column, instant, optional_instant};
use crate::ledger::row::RuleRow;
use crate::rule::RuleId;
use crate::sql::sql;

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
