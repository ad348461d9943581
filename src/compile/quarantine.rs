//! Quarantine: the statements that move whole partitions there, bring them back, and drop them in
//! the end.

use std::sync::Arc;

use super::predicate::table;
use super::writer::Sql;
use super::{Statement, whole};
use crate::target::{CheckedTarget, QuarantineTable};

/// Compiles the statement that moves partitions to quarantine.
pub(super) fn move_partitions(
    target: &CheckedTarget,
    partitions: &[Arc<str>],
    to: &QuarantineTable,
) -> Statement {
    whole::alter(Sql::new(), target, partitions, |out, id| {
        out.raw("MOVE PARTITION ID ").text(id).raw(" TO TABLE ");
        name(&target.database, to, out);
    })
}

/// Compiles the statement that makes the table: empty, and with everything that the target has.
pub(crate) fn create_quarantine(target: &CheckedTarget, kept_in: &QuarantineTable) -> String {
    let mut sql = Sql::new();
    sql.raw("CREATE TABLE IF NOT EXISTS ");
    name(&target.database, kept_in, &mut sql);
    sql.raw(" AS ");
    table(target, &mut sql);
    sql.into_string()
}

/// Compiles the statement that brings a partition back into its table.
pub(crate) fn bring_back(
    database: &str,
    kept_in: &QuarantineTable,
    partition: &str,
    to: &str,
) -> String {
    let mut sql = Sql::new();
    sql.raw("ALTER TABLE ");
    name(database, kept_in, &mut sql);
    sql.raw("\nMOVE PARTITION ID ")
        .text(partition)
        .raw(" TO TABLE ");
    sql.identifier(database).raw(".").identifier(to);
    sql.into_string()
}

/// Compiles the statement that drops a partition in quarantine.
pub(crate) fn drop_quarantined(
    database: &str,
    kept_in: &QuarantineTable,
    partition: &str,
) -> String {
    let mut sql = Sql::new();
    sql.raw("ALTER TABLE ");
    name(database, kept_in, &mut sql);
    sql.raw("\nDROP PARTITION ID ").text(partition);
    sql.into_string()
}

/// Compiles the statement that drops a table of the quarantine; the server refuses while it holds a
/// row, so one that a late move brings is not lost.
pub(crate) fn drop_quarantine(database: &str, kept_in: &QuarantineTable) -> String {
    let mut sql = Sql::new();
    sql.raw("DROP TABLE IF EXISTS IF EMPTY ");
    name(database, kept_in, &mut sql);
    sql.raw(" SYNC");
    sql.into_string()
}

fn name(database: &str, kept_in: &QuarantineTable, out: &mut Sql) {
    out.identifier(database)
        .raw(".")
        .identifier(kept_in.as_str());
}
