//! Migrating an SQLite file, also when others do it at the same time.

use std::time::Duration;

use rusqlite::Connection;

use super::fault::{Fault, is_busy};
use crate::ledger::migrations;
use crate::sql::sql;

/// With the pause about as long as MySQL waits for its lock: on a busy machine a migration takes a while.
const N_MIGRATION_ATTEMPTS: u32 = 1_500;
const MIGRATION_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn applied_migrations(
    connection: &Connection,
) -> Result<Vec<(i32, String)>, rusqlite::Error> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(sql!("ledger/sqlite/applied_migrations.sql"))?;
    statement
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Others may migrate at the same time: whoever meets them looks again, a bounded number of times.
pub(super) fn migrate(connection: &mut Connection, url: &str) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for _ in 0..N_MIGRATION_ATTEMPTS {
        match migrate_once(connection, url, &mut names) {
            // Changing the journal mode does not wait for the busy timeout.
            Err(Fault::Sql(error)) if is_busy(&error) => std::thread::sleep(MIGRATION_PAUSE),
            Err(Fault::Overtaken) => {}
            result => return result.map(|()| names),
        }
    }
    migrate_once(connection, url, &mut names).map(|()| names)
}

pub(super) fn migrate_once(
    connection: &mut Connection,
    url: &str,
    names: &mut Vec<String>,
) -> Result<(), Fault> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let before = applied_migrations(connection)?;
    migrations::check_not_too_new(&before, url)?;
    match migrations::runner(&migrations::SQLITE)?.run(connection) {
        Ok(report) => {
            names.extend(migrations::applied_by(&report));
            Ok(())
        }
        Err(error) => {
            names.extend(
                error
                    .report()
                    .map(migrations::applied_by)
                    .unwrap_or_default(),
            );
            if applied_migrations(connection)?.len() > before.len() {
                return Err(Fault::Overtaken);
            }
            Err(migrations::migration_failed(error).into())
        }
    }
}
