//! `ebbtide status`: who is at work, what holds each table back, what is left of it, and until when.
//!
//! What is left is what sidecars saw last, as the ledger has it; what holds tables back is also asked
//! of ClickHouse, which deletes nothing and reads no table of a user but for one row.

mod now;
mod target;
mod text;

use jiff::Timestamp;
use serde::Serialize;

use self::now::{Answer, Silent};
use self::target::{Known, TargetView};
use super::{Context, Exit, Output};
use crate::engine::COSTS_OF;
use crate::ledger::{CYCLE_LEASE, PauseRecord};
use crate::warehouse::Shard;

/// How things stand.
#[derive(Debug, Serialize)]
struct StatusView {
    /// False if sidecars only plan.
    enabled: bool,
    /// Who holds the lease.
    holder: Option<String>,
    last_success_at: Option<Timestamp>,
    window: String,
    /// Nothing while the window is open.
    window_opens_at: Option<Timestamp>,
    pauses: Vec<PauseView>,
    /// Servers that could not be asked.
    silent: Vec<Silent>,
    /// The oldest of the looks that the numbers are from; nothing if nobody looked yet.
    looked_at: Option<Timestamp>,
    targets: Vec<TargetView>,
}

#[derive(Debug, Serialize)]
struct PauseView {
    scope: String,
    reason: String,
    since: Timestamp,
}

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let now = context.now();
    let mut shards = Vec::new();
    for options in &config.shards {
        shards.push(Shard::new(options.clone())?);
    }
    let known = Known {
        now,
        looks: ledger.looks().await?,
        costs: ledger.step_costs(now - COSTS_OF).await?,
        remains: ledger.remains().await?,
        quarantines: ledger.quarantines(false).await?,
        pauses: ledger.pauses(false).await?,
        most: config.pace.rows_per_second,
    };
    let leases = ledger.leases().await?;
    let last_success_at = ledger.last_success().await?;
    let answers = now::ask(&shards, &config).await;
    let targets = config.targets.iter();
    let view = StatusView {
        enabled: config.enabled,
        holder: leases
            .into_iter()
            .find(|lease| lease.name == CYCLE_LEASE)
            .map(|lease| lease.holder),
        last_success_at,
        window: config.pace.window.to_string(),
        window_opens_at: config.pace.window.opens_at(now),
        pauses: known.pauses.iter().map(PauseView::from).collect(),
        silent: answers
            .iter()
            .filter_map(|answer| answer.silent.clone())
            .collect(),
        looked_at: known.looks.iter().map(|look| look.at).min(),
        targets: targets
            .map(|target| known.target(&target.table, &shards, &answers))
            .collect(),
    };
    output.result(&view, text::describe)?;
    Ok(exit(&answers))
}

/// Whatever the ledger knows was said; but who could not be asked is no success.
fn exit(answers: &[Answer]) -> Exit {
    let is_gone = |answer: &Answer| answer.silent.as_ref().is_some_and(|one| one.is_unreachable);
    if answers.iter().all(is_gone) {
        Exit::Unreachable
    } else if answers.iter().any(Answer::is_lacking) {
        Exit::Incomplete
    } else {
        Exit::Done
    }
}

impl From<&PauseRecord> for PauseView {
    fn from(record: &PauseRecord) -> Self {
        Self {
            scope: record.pause.scope.to_string(),
            reason: record.pause.reason.clone(),
            since: record.pause.created_at,
        }
    }
}
