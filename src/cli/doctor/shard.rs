//! Looking at one shard. What the server does not let this user read is a finding, and everything
//! else is looked at all the same.

use std::time::Duration;

use super::finding::{Code, Findings};
use super::lineage::Lineage;
use super::{ages, limits};
use crate::cli::{Context, exit};
use crate::compile::{self, About};
use crate::config::Config;
use crate::cutoff::Bounds;
use crate::engine::{Engine, EngineError};
use crate::target::{ProblemKind, TableSchema, TargetProblem};
use crate::warehouse::{Shard, WarehouseError};

/// A difference between the clocks beyond this is worth a warning.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// Rows dated further ahead than this are odd; clocks and zones may be off by less.
const AHEAD_MS: i64 = 86_400_000;

const MEND_FIRST: &str = "mend this first: nothing was looked at on this shard";
const MEND_TARGET: &str = "nothing is deleted from any target until this is mended";

/// One shard, and what is to be looked at there.
pub(super) struct Look<'a> {
    pub(super) context: &'a Context,
    pub(super) config: &'a Config,
    pub(super) engine: &'a Engine,
    pub(super) shard: &'a Shard,
    pub(super) needs_project: bool,
    /// How many rows a count of ages may read.
    pub(super) max_rows: u64,
}

impl Look<'_> {
    pub(super) async fn check(&self, findings: &mut Findings) {
        if !self.server(findings).await {
            return;
        }
        self.targets(findings).await;
        let tables: Vec<&str> = self
            .config
            .targets
            .iter()
            .map(|t| t.table.as_str())
            .collect();
        let name = self.shard.name();
        let logs = findings.read(
            name,
            "the server's own logs",
            self.shard.system_logs().await,
        );
        limits::system_logs(name, &logs.unwrap_or_default(), findings);
        self.lineage(&tables, findings).await;
        self.partitions(&tables, findings).await;
        let schemas = self.shard.schemas(&self.named()).await;
        let Some(schemas) = findings.read(name, "the tables of the targets", schemas) else {
            return;
        };
        self.settings(&tables, &schemas, findings).await;
        self.ages(&schemas, findings).await;
    }

    /// Whether there is a server to look at.
    async fn server(&self, findings: &mut Findings) -> bool {
        let name = self.shard.name();
        let server = match self.shard.check_server().await {
            Ok(server) => server,
            Err(error) => {
                findings.error(Code::Server, name, error, MEND_FIRST);
                return false;
            }
        };
        findings.ok(
            Code::Server,
            name,
            format!("ClickHouse {} answers", server.version),
        );
        let skew = self.context.now().duration_since(server.now);
        if skew.unsigned_abs() > CLOCK_SKEW {
            findings.warn(
                Code::ClockSkew,
                name,
                format!(
                    "its clock differs from this machine's by {} s",
                    skew.as_secs()
                ),
                "synchronise both",
            );
        }
        true
    }

    /// The grants that deletes need, and each target against its table.
    async fn targets(&self, findings: &mut Findings) {
        let name = self.shard.name();
        match self
            .engine
            .check_shard(self.shard, self.needs_project)
            .await
        {
            Ok(schemas) => {
                for (target, schema) in schemas {
                    findings.ok(Code::Target, &target, describe(&schema));
                }
            }
            Err(EngineError::Targets { problems }) => {
                for problem in problems {
                    misfit(problem, findings);
                }
            }
            Err(error @ EngineError::Clock { .. }) => {
                findings.error(Code::ClockSkew, name, error, MEND_TARGET);
            }
            Err(EngineError::Warehouse(error @ WarehouseError::MissingGrant { .. })) => {
                findings.error(Code::MissingGrant, name, error, MEND_TARGET);
            }
            Err(error) => findings.error(Code::Server, name, error, MEND_TARGET),
        }
    }

    async fn lineage(&self, tables: &[&str], findings: &mut Findings) {
        let name = self.shard.name();
        let everything = self.shard.sees_everything().await;
        let is_complete = findings
            .read(name, "which tables there are", everything)
            .unwrap_or(false);
        if !is_complete {
            findings.info(
                Code::HiddenTables,
                name,
                "this user sees only tables that it has grants on: views, and tables that are no \
                 target, may be missing here",
                "GRANT SHOW TABLES, SHOW COLUMNS ON *.* to the user, if only for this",
            );
        }
        let mut columns: Vec<&str> = self
            .config
            .targets
            .iter()
            .map(|target| target.workspace.as_str())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let with_workspace = self.shard.tables_with_columns(&columns).await;
        let with_workspace = findings.read(name, "tables with workspaces", with_workspace);
        let clusters = self.shard.cluster_sizes().await;
        let clusters = findings.read(name, "shards of Distributed tables", clusters);
        let relations = self.shard.relations().await;
        let Some(relations) = findings.read(name, "what is derived from targets", relations) else {
            return;
        };
        self.quarantine(&relations, findings).await;
        let lineage = Lineage {
            database: self.shard.database(),
            relations: &relations,
            targets: tables,
            unmanaged: &self.config.unmanaged,
            with_workspace: &with_workspace.unwrap_or_default(),
            is_complete,
            clusters: &clusters.unwrap_or_default(),
            n_shards: u64::try_from(self.config.shards.len()).unwrap_or(u64::MAX),
        };
        lineage.check(findings);
    }

    async fn partitions(&self, tables: &[&str], findings: &mut Findings) {
        let name = self.shard.name();
        let what = "the size of partitions";
        for table in tables {
            let there = self.shard.partitions(table).await;
            let Some(there) = findings.read(name, what, there) else {
                return;
            };
            if there.found.is_empty() {
                continue;
            }
            let limit = self.shard.drop_limit(&there).await;
            let Some(limit) = findings.read(name, what, limit) else {
                return;
            };
            limits::partitions(table, &there, limit, findings);
        }
    }

    async fn settings(&self, tables: &[&str], schemas: &[TableSchema], findings: &mut Findings) {
        let name = self.shard.name();
        let backlog = self.shard.mutation_backlog(tables).await;
        let backlog = findings.read(name, "unfinished mutations", backlog);
        let mut shards = self.config.shards.iter();
        let ours = shards.find_map(|shard| shard.workload.as_deref());
        let of_server = match ours {
            Some(_) => {
                let asked = self.shard.mutation_workload().await;
                findings.read(name, "the workload of mutations", asked)
            }
            None => None,
        };
        for schema in schemas {
            if !tables.contains(&schema.name.as_str()) || !schema.is_merge_tree() {
                continue;
            }
            limits::parts(schema, findings);
            limits::block_numbers(schema, findings);
            if let (Some(ours), Some(of_server)) = (ours, &of_server) {
                limits::mutation_workload(schema, ours, of_server.as_deref(), findings);
            }
            limits::mutations(schema, backlog.as_deref().unwrap_or_default(), findings);
        }
    }

    async fn ages(&self, schemas: &[TableSchema], findings: &mut Findings) {
        let find = |table: &str| schemas.iter().find(|schema| schema.name == table);
        for target in &self.config.targets {
            // What does not fit was told before.
            let Ok(checked) = target.check(find(&target.table), find, false) else {
                continue;
            };
            let ahead_ms = self.context.now().as_millisecond() + AHEAD_MS;
            let before_any = Bounds {
                below_ms: ages::BEFORE_ANY_MS,
                from_ms: None,
            };
            let nothing = About {
                bounds: before_any,
                workspaces: &[],
            };
            let nothing = compile::census(&checked, ahead_ms, Some(nothing), None);
            let found = self.shard.estimate(&nothing).await;
            if let Some(n_rows) = findings.read(self.shard.name(), "which rows a look reads", found)
            {
                ages::index(&checked, n_rows, findings);
            }
            let sql = compile::ages(&checked, ahead_ms);
            match self.shard.count_ages(&sql, self.max_rows).await {
                Ok(counts) => ages::check(&target.table, &checked.age, counts, findings),
                Err(error) => self.unknown_ages(&target.table, error, findings),
            }
        }
    }

    fn unknown_ages(&self, table: &str, error: WarehouseError, findings: &mut Findings) {
        let (reason, remedy) = match &error {
            WarehouseError::TooManyRows { .. } => (
                format!("it has more than {} rows", self.max_rows),
                "allow more with --max-rows, or look yourself",
            ),
            WarehouseError::Timeout { .. } => (
                "counting took too long".to_owned(),
                "raise clickhouse.probe_timeout, or look yourself",
            ),
            _ => (exit::chain(&error.into()), "mend what the server says"),
        };
        findings.warn(
            Code::UnknownAges,
            table,
            format!("what is odd about the age of its rows is unknown: {reason}"),
            remedy,
        );
    }

    /// The targets, and the tables that they name.
    fn named(&self) -> Vec<&str> {
        let targets = &self.config.targets;
        let mut tables: Vec<&str> = targets.iter().map(|target| target.table.as_str()).collect();
        let keeps = targets.iter().flat_map(|target| &target.keep);
        tables.extend(keeps.map(|keep| keep.in_table.as_str()));
        tables.sort_unstable();
        tables.dedup();
        tables
    }
}

fn misfit(problem: TargetProblem, findings: &mut Findings) {
    let code = match problem.kind {
        ProblemKind::Misfit => Code::Target,
        ProblemKind::SortingKey => Code::ReplacingMergeTree,
        ProblemKind::Projections => Code::Projections,
    };
    let message = anyhow::Error::msg(problem.message);
    findings.error(code, &problem.table, message, MEND_TARGET);
}

fn describe(schema: &TableSchema) -> String {
    let partitions = if schema.partition_key.is_empty() {
        "no partitions".into()
    } else {
        format!("partitioned by {}", schema.partition_key)
    };
    format!(
        "{} ordered by ({}), {partitions}, {} rows in {} parts",
        schema.engine, schema.sorting_key, schema.rows, schema.parts
    )
}
