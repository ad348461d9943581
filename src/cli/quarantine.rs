//! `ebbtide quarantine`: partitions that left their tables and can be brought back.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::output::{grouped, table};
use super::{Context, Exit, Output};
use crate::ledger::{Ledger, LedgerError, QuarantineRecord};

/// List the partitions in quarantine, and until when each can be brought back.
#[derive(Debug, Args)]
pub struct Quarantine {
    /// Show those that were brought back or dropped, too.
    #[arg(long)]
    history: bool,
    /// Only of this table.
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    table: Option<String>,
}

/// A partition in quarantine as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct QuarantineView<'a> {
    table: &'a str,
    partition: &'a str,
    shard: &'a str,
    state: &'static str,
    n_rows: u64,
    n_bytes: u64,
    kept_in: &'a str,
    cycle: &'a str,
    step: u32,
    began_at: Timestamp,
    keep_until: Timestamp,
    changed_at: Timestamp,
    changed_by: &'a str,
}

impl<'a> From<&'a QuarantineRecord> for QuarantineView<'a> {
    fn from(record: &'a QuarantineRecord) -> Self {
        let new = &record.quarantine;
        Self {
            table: &new.table,
            partition: &new.partition,
            shard: &new.shard,
            state: record.state.as_str(),
            n_rows: record.n_rows,
            n_bytes: record.n_bytes,
            kept_in: &new.kept_in,
            cycle: &new.cycle,
            step: new.step,
            began_at: new.began_at,
            keep_until: new.keep_until,
            changed_at: record.changed_at,
            changed_by: &record.changed_by,
        }
    }
}

pub(super) async fn run(
    args: &Quarantine,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let mut records = ledger.quarantines(args.history).await?;
    if let Some(table) = &args.table {
        records.retain(|record| record.quarantine.table == *table);
    }
    let views: Vec<QuarantineView<'_>> = records.iter().map(QuarantineView::from).collect();
    let now = context.now();
    let is_waiting = waits_for_pause(&*ledger).await?;
    output.result(&views, |views| {
        if views.is_empty() {
            return "nothing is in quarantine".into();
        }
        text(views, now, is_waiting)
    })?;
    Ok(Exit::Done)
}

/// Whether what was kept for long enough waits, since nothing but a pause keeps it. A hold sends it
/// back.
pub(super) async fn waits_for_pause(ledger: &dyn Ledger) -> Result<bool, LedgerError> {
    Ok(!ledger.pauses(false).await?.is_empty() && ledger.holds(false).await?.is_empty())
}

/// Partitions in quarantine, one a line.
pub(super) fn text(views: &[QuarantineView<'_>], now: Timestamp, is_waiting: bool) -> String {
    let until = |view: &QuarantineView<'_>| {
        if view.keep_until > now {
            view.keep_until.to_string()
        } else if is_waiting {
            format!("{}: waits for a pause to end", view.keep_until)
        } else {
            format!("{}: to be dropped, or to go back", view.keep_until)
        }
    };
    let lines = views.iter().map(|view| {
        let until = match view.state {
            "undone" | "dropped" => format!("{} {}", view.state, view.changed_at),
            _ => until(view),
        };
        [
            view.table.to_owned(),
            view.partition.to_owned(),
            grouped(view.n_rows),
            grouped(view.n_bytes),
            view.state.to_owned(),
            until,
            view.cycle.to_owned(),
            view.shard.to_owned(),
        ]
    });
    let header = [
        "table",
        "partition",
        "rows",
        "bytes",
        "state",
        "until",
        "cycle",
        "shard",
    ];
    table(header, &[2, 3], lines)
}
