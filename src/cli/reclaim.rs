//! `ebbtide reclaim`: what deleted rows hold of the disk, and freeing it wherever it is worth it by
//! the section `reclaim` of the configuration.

use std::collections::HashSet;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::output::{grouped, table};
use super::turn::{self, Turn};
use super::{Context, Exit, Output, progress};
use crate::engine::{Engine, EngineError, ReclaimReport, Reclaimed, Tenure, UnseenTable};
use crate::plan::{Age, Bytes, Reclaim, Remains, age};

/// Free the disk of rows that are deleted, one partition after another.
#[derive(Debug, Args)]
pub struct ReclaimArgs {
    /// Only say what deleted rows hold, and what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct View {
    /// As they were looked at first, in the order of work.
    partitions: Vec<Reclaim>,
    unseen: Vec<UnseenTable>,
    dead_bytes: u64,
    /// What was done.
    rewrites: Vec<ReclaimReport>,
    freed_bytes: u64,
}

/// A shard, a table and a partition, and whether patches of it come first.
type Key = (Arc<str>, Arc<str>, Arc<str>, bool);

pub(super) async fn run(
    args: &ReclaimArgs,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let seen = engine.remains().await?;
    let partitions = engine.weigh(seen.remains).await?;
    let mut view = View {
        dead_bytes: partitions.iter().map(|one| one.remains.dead_bytes).sum(),
        partitions,
        unseen: seen.unseen,
        rewrites: Vec::new(),
        freed_bytes: 0,
    };
    let mut exit = Exit::Done;
    if !args.dry_run && view.partitions.iter().any(|one| one.is_due) {
        engine.check_window()?;
        let mut turn = Turn::begin(&config, &ledger).await?;
        let (partitions, rewrites) = (&view.partitions, &mut view.rewrites);
        let worked = turn
            .work_in_turns(async |tenure, stop| {
                work(&engine, (tenure, stop), partitions, rewrites).await
            })
            .await;
        turn.end().await;
        exit = match worked? {
            Some(worked) => worked?,
            None => Exit::Incomplete,
        };
    }
    view.freed_bytes = view.rewrites.iter().map(ReclaimReport::freed_bytes).sum();
    let now = context.now();
    output.result(&view, |view| describe(view, now))?;
    Ok(match exit {
        Exit::Done if !view.unseen.is_empty() => Exit::Incomplete,
        exit => exit,
    })
}

/// Rewrites what is due, and looks anew after each, when others had the lease if they wanted it;
/// nothing is tried twice.
async fn work(
    engine: &Engine,
    (tenure, stop): (&mut Tenure, &CancellationToken),
    partitions: &[Reclaim],
    rewrites: &mut Vec<ReclaimReport>,
) -> Result<Exit, EngineError> {
    let mut tried: HashSet<Key> = HashSet::new();
    let mut weighed = partitions.to_vec();
    let mut exit = Exit::Done;
    loop {
        let Some(next) = weighed.iter().find(|one| is_new(one, &tried)) else {
            return Ok(exit);
        };
        tried.insert(key(&next.remains));
        let report = engine.reclaim(&next.remains, tenure, stop).await?;
        match report.outcome {
            Reclaimed::Failed { .. } => exit = Exit::Incomplete,
            Reclaimed::Left { .. } if exit == Exit::Done => exit = Exit::Busy,
            _ => {}
        }
        rewrites.push(report);
        weighed = engine.weigh(engine.remains().await?.remains).await?;
        if !weighed.iter().any(|one| is_new(one, &tried)) {
            return Ok(exit);
        }
        match turn::give_way(tenure, stop).await {
            Err(EngineError::Stopped) => {
                progress::warn("stopped before the end; what is left stays due");
                return Ok(Exit::Busy);
            }
            given => given?,
        }
    }
}

fn is_new(one: &Reclaim, tried: &HashSet<Key>) -> bool {
    one.is_due && !tried.contains(&key(&one.remains))
}

fn key(remains: &Remains) -> Key {
    let Remains {
        shard,
        table,
        partition,
        has_patches,
        ..
    } = remains;
    (
        Arc::clone(shard),
        Arc::clone(table),
        Arc::clone(partition),
        *has_patches,
    )
}

fn describe(view: &View, now: Timestamp) -> String {
    let mut text = if view.partitions.is_empty() {
        "no deleted row is on disk\n".to_owned()
    } else {
        of_partitions(&view.partitions, now) + "\n"
    };
    for unseen in &view.unseen {
        text.push_str(&format!(
            "not looked at: {} on {}: {}\n",
            unseen.table, unseen.shard, unseen.reason
        ));
    }
    if view.rewrites.is_empty() {
        text.push_str(&format!(
            "deleted rows hold {} of the disk",
            Bytes(view.dead_bytes)
        ));
        return text;
    }
    for report in &view.rewrites {
        text.push_str(&format!(
            "{} {}: {}\n",
            report.table,
            report.partition,
            outcome(report)
        ));
    }
    text.push_str(&format!(
        "deleted rows held {} of the disk, {} of it are free now",
        Bytes(view.dead_bytes),
        Bytes(view.freed_bytes)
    ));
    text
}

fn of_partitions(partitions: &[Reclaim], now: Timestamp) -> String {
    let shards: HashSet<&str> = partitions.iter().map(|one| &*one.remains.shard).collect();
    let rows = partitions.iter().map(|one| {
        let of = &one.remains;
        let name = if shards.len() > 1 {
            format!("{} on {}", of.table, of.shard)
        } else {
            of.table.to_string()
        };
        [
            name,
            of.partition.to_string(),
            grouped(of.n_dead),
            Bytes(of.dead_bytes).to_string(),
            Bytes(of.rewrite_bytes).to_string(),
            Age(age(of, now)).to_string(),
            if one.is_due { "rewrite" } else { "leave" }.to_owned(),
            one.reason.clone(),
        ]
    });
    table(
        [
            "table",
            "partition",
            "dead rows",
            "dead",
            "to rewrite",
            "oldest",
            "decision",
            "reason",
        ],
        &[2, 3, 4, 5],
        rows,
    )
}

/// What became of a rewrite, in a few words.
pub(super) fn outcome(report: &ReclaimReport) -> String {
    let seconds = report.duration.as_secs_f64();
    match &report.outcome {
        Reclaimed::Freed { freed_bytes } => format!(
            "verified, {} deleted rows are off the disk, {} freed ({seconds:.1} s)",
            grouped(report.n_dead),
            Bytes(*freed_bytes)
        ),
        Reclaimed::Masked => format!("deletes in patch parts became masks ({seconds:.1} s)"),
        Reclaimed::Failed { error } => format!("failed: {error}"),
        Reclaimed::Left { reason } => format!("left: {reason}"),
    }
}
