//! Migrating a MySQL database, one process at a time.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::MySql;
use super::fault::Fault;
use crate::ledger::migrations;
use crate::ledger::row::Malformed;
use crate::sql::sql;

impl MySql {
    /// Others that migrate at the same time are told to try again.
    pub(super) async fn migrate_alone(&self, connection: &mut Conn) -> Result<Vec<String>, Fault> {
        let sql = sql!("ledger/mysql/take_migration_lock.sql");
        let locked: Option<Option<u8>> = connection.query_first(sql).await?;
        if locked.flatten() != Some(1) {
            return Err(Malformed("another migration is running; try again".into()).into());
        }
        migrations::check_not_too_new(&applied_migrations(connection).await?, &self.access.url)?;
        let runner = migrations::runner(&migrations::MYSQL)?;
        let mut pool = self.access.pool();
        let report = runner
            .run_async(&mut pool)
            .await
            .map_err(migrations::migration_failed)?;
        connection
            .query_drop(sql!("ledger/mysql/release_migration_lock.sql"))
            .await?;
        Ok(migrations::applied_by(&report))
    }
}

pub(super) async fn applied_migrations(connection: &mut Conn) -> Result<Vec<(i32, String)>, Fault> {
    match connection
        .query(sql!("ledger/mysql/applied_migrations.sql"))
        .await
    {
        Ok(applied) => Ok(applied),
        // There is no such table.
        Err(mysql_async::Error::Server(error)) if error.code == 1146 => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
