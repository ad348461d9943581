//! The targets of the configuration on a shard: checked against its server, grants and schema.

use jiff::Timestamp;

use crate::engine::{Engine, EngineError};
use crate::target::{CheckedTarget, TableSchema, Target, TargetProblem};
use crate::warehouse::{GrantNeed, Privilege, Shard};

impl Engine {
    /// Checks the server, the grants, and every target against the shard's schema.
    pub(in crate::engine) async fn checked_targets(
        &self,
        shard: &Shard,
        needs_project: bool,
    ) -> Result<Vec<CheckedTarget>, EngineError> {
        let schemas = self.schemas(shard).await?;
        check_targets(&self.targets, &schemas, needs_project)
    }

    /// The schemas of all targets on a shard, checked; for showing them.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn check_shard(
        &self,
        shard: &Shard,
        needs_project: bool,
    ) -> Result<Vec<(String, TableSchema)>, EngineError> {
        let found = self.targets_and_schemas(shard, needs_project).await?;
        let named = |(target, schema): (CheckedTarget, _)| (target.table, schema);
        Ok(found.into_iter().map(named).collect())
    }

    /// The checked targets of a shard with their schemas.
    pub(in crate::engine) async fn targets_and_schemas(
        &self,
        shard: &Shard,
        needs_project: bool,
    ) -> Result<Vec<(CheckedTarget, TableSchema)>, EngineError> {
        let schemas = self.schemas(shard).await?;
        let targets = check_targets(&self.targets, &schemas, needs_project)?;
        let find = |table: &str| schemas.iter().find(|schema| schema.name == table).cloned();
        let found = targets
            .into_iter()
            .filter_map(|target| find(&target.table).map(|schema| (target, schema)));
        Ok(found.collect())
    }

    /// Checks server and grants, and reads the schemas of all tables that the targets name.
    async fn schemas(&self, shard: &Shard) -> Result<Vec<TableSchema>, EngineError> {
        let server = shard.check_server().await?;
        self.check_clock(shard, server.now)?;
        let keep_tables = || self.targets.iter().flat_map(|target| &target.keep);
        let mut tables: Vec<&str> = self
            .targets
            .iter()
            .map(|target| target.table.as_str())
            .collect();
        tables.extend(keep_tables().map(|keep| keep.in_table.as_str()));
        tables.sort_unstable();
        tables.dedup();
        let select = tables.iter().map(|table| (Privilege::Select, *table));
        let delete = self
            .targets
            .iter()
            .map(|target| (Privilege::AlterDelete, &*target.table));
        let quarantine = self
            .targets
            .iter()
            .filter(|target| target.quarantine.is_some());
        let quarantine = quarantine.map(|target| (Privilege::Quarantine, &*target.table));
        let needs: Vec<GrantNeed<'_>> = select
            .chain(delete)
            .chain(quarantine)
            .map(|(privilege, table)| GrantNeed { privilege, table })
            .collect();
        shard.check_grants(&needs).await?;
        Ok(shard.schemas(&tables).await?)
    }

    /// A clock that is far ahead would make young rows old. Where one is far behind, nobody knows
    /// which of the two is wrong.
    fn check_clock(&self, shard: &Shard, server_now: Timestamp) -> Result<(), EngineError> {
        let ahead = self.clock.now().duration_since(server_now);
        self.check_skew(&format!("ClickHouse at {}", shard.name()), ahead)
    }
}

/// Checks all targets against the schemas of a shard; every problem at once.
fn check_targets(
    targets: &[Target],
    schemas: &[TableSchema],
    needs_project: bool,
) -> Result<Vec<CheckedTarget>, EngineError> {
    let find = |table: &str| schemas.iter().find(|schema| schema.name == table);
    let mut checked = Vec::new();
    let mut problems: Vec<TargetProblem> = Vec::new();
    for target in targets {
        match target.check(find(&target.table), find, needs_project) {
            Ok(target) => checked.push(target),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(checked)
    } else {
        Err(EngineError::Targets { problems })
    }
}
