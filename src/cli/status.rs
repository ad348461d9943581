//! `ebbtide status`: who is at work, what is left of each table, and until when.

use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::Serialize;

use super::output::{grouped, table};
use super::progress::length;
use super::{Context, Exit, Output};
use crate::engine::COSTS_OF;
use crate::ledger::{CYCLE_LEASE, Look};
use crate::plan::{StepCost, rows_per_second, time_left};
use crate::schedule::left_everywhere;

/// How things stand.
#[derive(Debug, Serialize)]
struct StatusView {
    /// Who holds the lease.
    holder: Option<String>,
    last_success_at: Option<Timestamp>,
    /// The oldest of the looks that the numbers are from; nothing if nobody looked yet.
    looked_at: Option<Timestamp>,
    targets: Vec<TargetView>,
}

/// One table.
#[derive(Debug, Serialize)]
struct TargetView {
    table: String,
    backlog_rows: u64,
    /// Whether they are too many to be counted: then there are at most so many.
    backlog_is_uncounted: bool,
    waiting_rows: u64,
    retention_lag_seconds: u64,
    /// Nothing if no step of the last 30 days says.
    rows_per_second: Option<u64>,
    seconds_left: Option<u64>,
    eta: Option<Timestamp>,
}

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let now = context.now();
    let leases = ledger.leases().await?;
    let looks = ledger.looks().await?;
    let costs = ledger.step_costs(now - COSTS_OF).await?;
    let most = config.pace.rows_per_second;
    let targets = config.targets.iter();
    let view = StatusView {
        holder: leases
            .into_iter()
            .find(|lease| lease.name == CYCLE_LEASE)
            .map(|lease| lease.holder),
        last_success_at: ledger.last_success().await?,
        looked_at: looks.iter().map(|look| look.at).min(),
        targets: targets
            .map(|target| TargetView::new(&target.table, &looks, &costs, most, now))
            .collect(),
    };
    output.result(&view, describe)?;
    Ok(Exit::Done)
}

impl TargetView {
    fn new(
        table: &str,
        looks: &[Look],
        costs: &[StepCost],
        most: NonZeroU32,
        now: Timestamp,
    ) -> Self {
        let left = left_everywhere(looks, table);
        let time_left = time_left(table, left.n_rows, costs, most);
        let time_left = time_left.filter(|_| !left.is_uncounted);
        Self {
            table: table.to_owned(),
            backlog_rows: left.n_rows,
            backlog_is_uncounted: left.is_uncounted,
            waiting_rows: left.n_waiting,
            retention_lag_seconds: left.lag_s,
            rows_per_second: rows_per_second(table, costs, most),
            seconds_left: time_left.map(|left| left.as_secs()),
            eta: time_left.and_then(|left| now.checked_add(left).ok()),
        }
    }
}

/// What is left of a table, as far as it was counted.
fn left(target: &TargetView) -> String {
    let rows = grouped(target.backlog_rows);
    if target.backlog_is_uncounted {
        format!("at most {rows}")
    } else {
        rows
    }
}

fn describe(view: &StatusView) -> String {
    let holder = view.holder.as_deref().unwrap_or("nobody");
    let last = view
        .last_success_at
        .map_or_else(|| "never".into(), |at| at.to_string());
    let mut text = format!("at work    {holder}\nlast done  {last}\n");
    let Some(looked_at) = view.looked_at else {
        text.push_str("\nno sidecar has looked yet; `ebbtide plan` looks now");
        return text;
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let rows = view.targets.iter().map(|target| {
        [
            target.table.clone(),
            left(target),
            grouped(target.waiting_rows),
            length(target.retention_lag_seconds),
            or_dash(target.rows_per_second.map(grouped)),
            or_dash(target.seconds_left.map(length)),
            or_dash(target.eta.map(|at| at.to_string())),
        ]
    });
    text.push('\n');
    text.push_str(&table(
        [
            "table", "left", "waits", "lag", "rows/s", "takes", "done by",
        ],
        &[1, 2, 3, 4, 5],
        rows,
    ));
    text.push_str(&format!(
        "\n\nas `ebbtide serve` looked last, since {looked_at}"
    ));
    text
}
