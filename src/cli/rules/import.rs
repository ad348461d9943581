//! `ebbtide rules import`: the whole file is checked before the ledger is touched, and then
//! imported in one transaction. Both passes stream.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use jiff::SignedDuration;
use serde_json::json;

use super::super::input::{MAX_LISTED, open};
use super::super::output::counted;
use super::super::scope::check_project;
use super::super::{Context, Exit, Output, context, effect, progress};
use crate::ledger::ImportRule;
use crate::rule::RuleReader;

pub(super) async fn run(
    file: &Path,
    dry_run: bool,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let mut input = open(file)?;
    let name = file.display();
    let (mut n_rules, mut n_problems) = (0_u64, 0_u64);
    // Another machine's clock may be a little ahead.
    let latest = context.now() + SignedDuration::from_mins(10);
    let bar = progress::bar(
        "{spinner} checking {bytes}/{total_bytes} {wide_bar} {eta}",
        Some(len(&input)?),
    );
    for item in RuleReader::new(BufReader::new(bar.wrap_read(&input)), &config.periods) {
        let problem = match item {
            Ok(entry) => {
                n_rules += 1;
                let project = check_project(&entry.scope, "rule", &config).err();
                let problem = project.map(|error| error.to_string()).or_else(|| {
                    let created_at = entry.created_at.filter(|at| *at > latest)?;
                    Some(format!(
                        "created_at {created_at} lies in the future; write when the rule was created, \
                         or leave it out"
                    ))
                });
                problem.map(|problem| format!("line {}: {problem}", entry.line))
            }
            Err(problem) => Some(problem.to_string()),
        };
        if let Some(problem) = problem {
            n_problems += 1;
            if n_problems <= MAX_LISTED {
                progress::say(&format!("{name}: {problem}"));
            }
        }
    }
    bar.finish_and_clear();
    if n_problems > MAX_LISTED {
        progress::say(&format!("{name}: and {} more", n_problems - MAX_LISTED));
    }
    if n_problems > 0 {
        bail!(
            "{name} has {}; nothing was imported",
            counted(n_problems, "problem")
        );
    }
    if dry_run {
        output.result(&json!({"n_rules": n_rules, "dry_run": true}), |_| {
            format!(
                "{name}: {}, all good; nothing was imported",
                counted(n_rules, "rule")
            )
        })?;
        return Ok(Exit::Done);
    }
    input.rewind()?;
    let bar = progress::bar(
        "{spinner} importing {pos}/{len} {wide_bar} {eta}",
        Some(n_rules),
    );
    let mut rules = RuleReader::new(BufReader::new(&input), &config.periods).map(|item| {
        bar.inc(1);
        // The file was checked; it can only have changed since.
        item.map(ImportRule::from)
            .map_err(|problem| problem.to_string())
    });
    let ledger = context.ledger(&config).await?;
    let imported = ledger
        .import_rules(&mut rules, &context::user_name(), context.now())
        .await?;
    bar.finish_and_clear();
    let effect = if imported.n_created > 0 {
        let engine = context.engine_on(&config, Arc::clone(&ledger))?;
        effect::of(None, &engine, &*ledger, &config).await
    } else {
        None
    };
    let result = json!({
        "n_created": imported.n_created,
        "n_replaced": imported.n_replaced,
        "n_unchanged": imported.n_unchanged,
        "effect": effect,
    });
    output.result(&result, |_| {
        format!(
            "{} imported, of which {} replaced an active one; {} unchanged{}",
            counted(imported.n_created, "rule"),
            imported.n_replaced,
            imported.n_unchanged,
            super::ending(effect.as_ref())
        )
    })?;
    Ok(Exit::Done)
}

fn len(file: &File) -> anyhow::Result<u64> {
    Ok(file.metadata()?.len())
}
