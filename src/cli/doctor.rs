//! `ebbtide doctor`: the configuration against the live servers. Every check is made, and each
//! finding says what to do.

mod guards;

use std::time::Duration;

use serde::Serialize;

use super::output::table;
use super::{Context, Exit, Output, exit};
use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::target::TableSchema;
use crate::warehouse::Shard;

/// A difference between the clocks beyond this is worth a warning.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    /// `ok`, `warning` or `error`.
    severity: Severity,
    /// What was looked at.
    subject: String,
    /// What was found, and what to do about it.
    message: String,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Ok,
    Warning,
    Error,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, subject: &str, message: impl Into<String>) {
        let (subject, message) = (subject.to_owned(), message.into());
        self.0.push(Finding {
            severity,
            subject,
            message,
            exit: Exit::Done,
        });
    }

    fn error(&mut self, subject: &str, error: impl Into<anyhow::Error>) {
        let error = error.into();
        let exit = exit::of(&error);
        let message = exit::chain(&error);
        let subject = subject.to_owned();
        self.0.push(Finding {
            severity: Severity::Error,
            subject,
            message,
            exit,
        });
    }
}

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let mut findings = Findings::default();
    findings.add(
        Severity::Ok,
        "config",
        format!("{} is valid", context.path().display()),
    );
    check(context, &config, &mut findings).await;
    let exit = findings
        .0
        .iter()
        .map(|finding| finding.exit)
        .find(|exit| *exit != Exit::Done);
    output.result(&findings.0, |findings| {
        let rows = findings.iter().map(|finding| {
            [
                finding.severity.as_str().into(),
                finding.subject.clone(),
                finding.message.clone(),
            ]
        });
        table(["", "what", "finding"], &[], rows)
    })?;
    Ok(exit.unwrap_or(Exit::Done))
}

async fn check(context: &Context, config: &Config, findings: &mut Findings) {
    let ledger = match context.ledger(config).await {
        Ok(ledger) => {
            findings.add(
                Severity::Ok,
                "ledger",
                "reachable, and migrated to this version",
            );
            ledger
        }
        Err(error) => return findings.error("ledger", error),
    };
    guards::check(&*ledger, config, findings).await;
    let engine = match Engine::new(config, ledger, context.clock.clone()) {
        Ok(engine) => engine,
        Err(error) => return findings.error("clickhouse", error),
    };
    let needs_project = match engine.rulebook().await {
        Ok(rulebook) => {
            let message = format!(
                "{} active rules, {} workspaces in the directory",
                rulebook.rules.len(),
                rulebook.directory.len()
            );
            findings.add(Severity::Ok, "rules", message);
            guards::check_base(&engine, &rulebook, config, findings).await;
            rulebook.rules.any_project().is_some()
        }
        Err(error) => {
            findings.error("rules", error);
            false
        }
    };
    if config.shards.len() > 1 {
        for target in config
            .targets
            .iter()
            .filter(|target| !target.keep.is_empty())
        {
            findings.add(
                Severity::Warning,
                &target.table,
                "keeps rows that another table refers to, and there are several shards: a reference \
                 protects rows of its own shard only; shard both tables by the same key",
            );
        }
    }
    for shard in engine.warehouse().shards() {
        check_shard(context, &engine, shard, needs_project, findings).await;
    }
}

async fn check_shard(
    context: &Context,
    engine: &Engine,
    shard: &Shard,
    needs_project: bool,
    findings: &mut Findings,
) {
    let name = shard.name();
    match shard.check_server().await {
        Err(error) => return findings.error(name, error),
        Ok(server) => {
            findings.add(
                Severity::Ok,
                name,
                format!("ClickHouse {} answers", server.version),
            );
            let skew = context.now().duration_since(server.now);
            if skew.unsigned_abs() > CLOCK_SKEW {
                findings.add(
                    Severity::Warning,
                    name,
                    format!(
                        "its clock differs from this machine's by {} s; synchronise both",
                        skew.as_secs()
                    ),
                );
            }
        }
    }
    match engine.check_shard(shard, needs_project).await {
        Ok(schemas) => {
            for (target, schema) in schemas {
                findings.add(Severity::Ok, &target, describe(&schema));
                warn_about(&schema, findings);
            }
        }
        Err(EngineError::Targets { problems }) => {
            for problem in problems {
                findings.0.push(Finding {
                    severity: Severity::Error,
                    subject: problem.table.clone(),
                    message: problem.message.clone(),
                    exit: Exit::Usage,
                });
            }
        }
        Err(error) => findings.error(name, error),
    }
}

fn describe(schema: &TableSchema) -> String {
    let partitions = if schema.partition_key.is_empty() {
        "no partitions".into()
    } else {
        schema.partition_key.clone()
    };
    format!(
        "{} ordered by ({}), {partitions}, {} rows in {} parts",
        schema.engine, schema.sorting_key, schema.rows, schema.parts
    )
}

fn warn_about(schema: &TableSchema, findings: &mut Findings) {
    if !schema.dependents.is_empty() {
        findings.add(
            Severity::Warning,
            &schema.name,
            format!(
                "feeds {}: rows deleted here stay there; make them targets of their own, or give \
                 them a TTL",
                schema.dependents.join(", ")
            ),
        );
    }
    // Bookkeeping is paid for every part by every mutation.
    if schema.parts > 1_000 {
        findings.add(
            Severity::Warning,
            &schema.name,
            format!(
                "has {} active parts, and every statement visits each of them; expect it to be slow",
                schema.parts
            ),
        );
    }
}
