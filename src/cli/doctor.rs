//! `ebbtide doctor`: the configuration against the live servers. Every check is made, and each
//! finding says what to do.

mod ages;
mod ddl;
mod finding;
mod flow;
mod guards;
mod limits;
mod lineage;
mod quarantine;
mod report;
mod shard;

use clap::Args;

use self::finding::{Code, Findings, Severity};
use self::shard::Look;
use super::{Context, Exit, Output};
use crate::config::Config;
use crate::engine::Engine;

/// Check the configuration against the live servers: schema, grants, lineage, odd data, traps.
#[derive(Debug, Args)]
pub struct Doctor {
    /// End with 2 where there is a warning, too.
    #[arg(long)]
    pub strict: bool,
    /// How many rows a look at the ages of one table may read; the ages of a larger table stay
    /// unknown.
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows: u64,
}

pub(super) async fn run(
    args: &Doctor,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let mut findings = Findings::default();
    let path = context.path().display();
    findings.ok(Code::Config, "config", format!("{path} is valid"));
    check(args, context, &config, &mut findings).await;
    let exits = findings.0.iter().map(|finding| finding.exit);
    let mut exit = exits.into_iter().find(|exit| *exit != Exit::Done);
    let findings = findings.sorted();
    let is_warned = findings
        .iter()
        .any(|finding| finding.severity == Severity::Warning);
    if args.strict && is_warned {
        exit = exit.or(Some(Exit::Usage));
    }
    output.result(&findings, |findings| report::text(findings))?;
    Ok(exit.unwrap_or(Exit::Done))
}

async fn check(args: &Doctor, context: &Context, config: &Config, findings: &mut Findings) {
    const MEND_FIRST: &str = "mend this first: nothing else was looked at";
    let ledger = match context.ledger(config).await {
        Ok(ledger) => {
            let message = "reachable, and migrated to this version";
            findings.ok(Code::Ledger, "ledger", message);
            ledger
        }
        Err(error) => return findings.error(Code::Ledger, "ledger", error, MEND_FIRST),
    };
    guards::check(&*ledger, config, findings).await;
    let engine = match Engine::new(config, ledger, context.clock.clone()) {
        Ok(engine) => engine,
        Err(error) => return findings.error(Code::Server, "clickhouse", error, MEND_FIRST),
    };
    let needs_project = match engine.rulebook().await {
        Ok(rulebook) => {
            let message = format!(
                "{} active rules, {} workspaces in the directory",
                rulebook.rules.len(),
                rulebook.directory.len()
            );
            findings.ok(Code::Rules, "rules", message);
            guards::check_base(&engine, &rulebook, config, findings).await;
            rulebook.rules.any_project().is_some()
        }
        Err(error) => {
            let remedy = "mend the rules: until then nothing is deleted";
            findings.error(Code::Rules, "rules", error, remedy);
            false
        }
    };
    let shards = engine.warehouse().shards();
    if shards.len() > 1 {
        keeps_of_one_shard(config, findings);
    }
    for shard in shards {
        let look = Look {
            context,
            config,
            engine: &engine,
            shard,
            needs_project,
            max_rows: args.max_rows,
        };
        let n_before = findings.0.len();
        look.check(findings).await;
        if shards.len() > 1 {
            findings.on_shard(n_before, shard.name());
        }
    }
}

fn keeps_of_one_shard(config: &Config, findings: &mut Findings) {
    let keeping = config.targets.iter();
    for target in keeping.filter(|target| !target.keep.is_empty()) {
        findings.warn(
            Code::ShardedKeep,
            &target.table,
            "keeps rows that another table refers to, and there are several shards: a reference \
             protects rows of its own shard only",
            "shard both tables by the same key",
        );
    }
}
