//! `ebbtide undo`: bringing partitions back from quarantine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::history::effect;
use super::output::{counted, table};
use super::quarantine::{QuarantineView, text, waits_for_pause};
use super::turn::Turn;
use super::{Context, Exit, Output, confirm, context, progress};
use crate::engine::{EngineError, Undone};
use crate::ledger::{Ledger, LedgerError, QuarantineRecord, StepRecord};

/// So long a cycle that is at work may take until it lets go of the lease.
const PATIENCE: Duration = Duration::from_mins(10);

/// Bring partitions back that are in quarantine.
///
/// Their rows are expired by the rules of now, so their tables are paused first. Change the rules or
/// place holds, and then `ebbtide resume`; else the next cycle takes them again.
#[derive(Debug, Args)]
#[command(
    override_usage = "ebbtide undo (--cycle <ID> | --table <TABLE> --partition <ID>) [--dry-run] [--yes]"
)]
pub struct Undo {
    /// All that this cycle moved.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "table",
        required_unless_present = "table"
    )]
    cycle: Option<String>,
    /// Of this table.
    #[arg(
        long,
        value_name = "TABLE",
        requires = "partition",
        allow_hyphen_values = true
    )]
    table: Option<String>,
    /// The partition with this id, on whichever shard.
    #[arg(
        long,
        value_name = "ID",
        requires = "table",
        allow_hyphen_values = true
    )]
    partition: Option<String>,
    /// Only show what would come back.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before.
    #[arg(long)]
    yes: bool,
}

impl Undo {
    /// Whether a partition is one of those that it is about.
    fn means(&self, record: &QuarantineRecord) -> bool {
        let new = &record.quarantine;
        let wanted = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        wanted(&self.cycle, &new.cycle)
            && wanted(&self.table, &new.table)
            && wanted(&self.partition, &new.partition)
    }
}

pub(super) async fn run(
    args: &Undo,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let mut chosen = ledger.quarantines(false).await?;
    chosen.retain(|record| args.means(record));
    if chosen.is_empty() {
        let why = why_nothing(args, &*ledger).await?;
        bail!("nothing like that is in quarantine{why}; `ebbtide quarantine` lists what is");
    }
    let views: Vec<QuarantineView<'_>> = chosen.iter().map(QuarantineView::from).collect();
    if args.dry_run {
        let is_waiting = waits_for_pause(&*ledger).await?;
        output.result(&views, |views| {
            let list = text(views, context.now(), is_waiting);
            format!("would come back, and their tables be paused:\n\n{list}")
        })?;
        return Ok(Exit::Done);
    }
    if !args.yes && !is_confirmed(&chosen)? {
        progress::say("nothing was brought back");
        return Ok(Exit::Refused);
    }
    let engine = context.engine_on(&config, Arc::clone(&ledger))?;
    let user = context::user_name();
    // Before the wait for the lease, so that whoever has it drops none of it meanwhile.
    engine.pause_for_undo(&chosen, &user).await?;
    let turn = match Turn::wait(&config, &ledger, PATIENCE).await {
        Ok(turn) => turn,
        Err(error) => {
            progress::warn("nothing was brought back; the tables stay paused");
            return Err(error.into());
        }
    };
    let work = async {
        // As they stand now: whoever was at work may have ended some of it.
        let mut open = ledger.quarantines(false).await?;
        let is_chosen = |open: &QuarantineRecord| {
            let mut chosen = chosen.iter();
            chosen.any(|chosen| chosen.quarantine == open.quarantine)
        };
        open.retain(is_chosen);
        let undone = engine.undo(&open, &user, &turn.tenure, &turn.stop).await?;
        Ok::<_, EngineError>(undone)
    };
    let undone = turn.work(work).await;
    turn.end().await;
    let Some(undone) = undone? else {
        return Ok(Exit::Incomplete);
    };
    let undone = undone?;
    if undone.len() < chosen.len() {
        progress::warn(
            "some of it went back, or was dropped, before the lease was free: `ebbtide quarantine \
             --history` says which",
        );
    }
    said(&undone, output)
}

/// What became of it instead, as far as is known.
async fn why_nothing(args: &Undo, ledger: &dyn Ledger) -> Result<String, LedgerError> {
    let mut over = ledger.quarantines(true).await?;
    over.retain(|record| args.means(record));
    if let Some(last) = over.last() {
        let (state, at) = (last.state.as_str(), last.changed_at);
        return Ok(format!(": the last of it was {state} at {at:.0}"));
    }
    let Some(cycle) = &args.cycle else {
        return Ok(String::new());
    };
    let steps = ledger.steps(cycle).await?;
    let is_dropped = |step: &&StepRecord| effect(&step.intent) == "drop";
    let dropped = steps.iter().filter(is_dropped);
    let mut tables: Vec<&str> = dropped.map(|step| step.intent.table.as_str()).collect();
    tables.dedup();
    Ok(if tables.is_empty() {
        String::new()
    } else {
        format!(
            ": that cycle did not move partitions of {}, it dropped them, and what is dropped does not \
             come back",
            tables.join(", ")
        )
    })
}

fn said(undone: &[Undone], output: &mut Output) -> anyhow::Result<Exit> {
    let failed = undone.iter().any(|undone| undone.error.is_some());
    output.result(&json!(undone), |_| {
        let lines = undone.iter().map(|undone| {
            let outcome = match (undone.n_rows, &undone.error) {
                (Some(n_rows), _) => format!("{} are back", counted(n_rows, "row")),
                (None, error) => format!("stays: {}", error.as_deref().unwrap_or_default()),
            };
            [undone.table.clone(), undone.partition.clone(), outcome]
        });
        table(["table", "partition", "outcome"], &[], lines)
    })?;
    let mut tables: Vec<&str> = undone.iter().map(|undone| undone.table.as_str()).collect();
    tables.dedup();
    for table in tables {
        progress::say(&format!(
            "{table} is paused: what came back is expired by the rules of now; change them or place \
             holds, then `ebbtide resume --target {table}`"
        ));
    }
    Ok(if failed { Exit::Incomplete } else { Exit::Done })
}

/// Asks a person; without one, the answer must be on the command line.
fn is_confirmed(chosen: &[QuarantineRecord]) -> anyhow::Result<bool> {
    confirm::check_somebody_is_there("bring them back")?;
    let n_rows = chosen.iter().map(|record| record.n_rows).sum();
    let n_partitions = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
    confirm::is_confirmed(&format!(
        "{} with {} come back, and their tables are paused. Do it?",
        counted(n_partitions, "partition"),
        counted(n_rows, "row")
    ))
}
