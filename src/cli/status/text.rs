//! How things stand, for people.

use super::StatusView;
use super::target::TargetView;
use crate::cli::output::{grouped, table};
use crate::cli::progress::length;
use crate::plan::Bytes;

pub(super) fn describe(view: &StatusView) -> String {
    let mut text = head(view);
    text.push('\n');
    if let Some(looked_at) = view.looked_at {
        text.push_str(&left(&view.targets));
        text.push_str(&format!(
            "\n\nas `ebbtide serve` looked last, since {looked_at}\n\n"
        ));
    }
    text.push_str(&disk(&view.targets));
    let why = reasons(&view.targets);
    if !why.is_empty() {
        text.push_str("\n\n");
        text.push_str(&why.join("\n"));
    }
    text
}

/// What is not of one table.
fn head(view: &StatusView) -> String {
    let holder = view.holder.as_deref().unwrap_or("nobody");
    let last = view.last_success_at;
    let last = last.map_or_else(|| "never".into(), |at| at.to_string());
    let mut text = format!("at work    {holder}\nlast done  {last}\n");
    if !view.enabled {
        text.push_str("dry run    retention.enabled is false: `ebbtide serve` only plans\n");
    }
    if let Some(opens_at) = view.window_opens_at {
        text.push_str(&format!(
            "window     closed: pace.window is {} (UTC), and opens at {opens_at}\n",
            view.window
        ));
    }
    for pause in &view.pauses {
        text.push_str(&format!(
            "paused     {}, since {}: {}\n",
            pause.scope, pause.since, pause.reason
        ));
    }
    for silent in &view.silent {
        text.push_str(&format!("not asked  {}: {}\n", silent.shard, silent.reason));
    }
    text
}

/// How many rows are left of a table, as far as they were counted.
fn backlog(target: &TargetView, n_rows: u64) -> String {
    let rows = grouped(n_rows);
    if target.backlog_is_uncounted {
        format!("at most {rows}")
    } else {
        rows
    }
}

/// What is left to delete.
fn left(targets: &[TargetView]) -> String {
    let rows = targets.iter().map(|target| {
        [
            target.table.clone(),
            or_dash(target.backlog_rows.map(|n_rows| backlog(target, n_rows))),
            or_dash(target.deferred_rows.map(grouped)),
            or_dash(target.waiting_rows.map(grouped)),
            or_dash(target.retention_lag_seconds.map(length)),
            or_dash(target.rows_per_second.map(grouped)),
            or_dash(target.seconds_left.map(length)),
            or_dash(target.eta.map(|at| at.to_string())),
        ]
    });
    let header = [
        "table",
        "left",
        "deferred",
        "waits",
        "lag",
        "rows/s",
        "at least",
        "not before",
    ];
    table(header, &[1, 2, 3, 4, 5, 6], rows)
}

/// What holds tables back, and what they hold of the disk.
fn disk(targets: &[TargetView]) -> String {
    let rows = targets.iter().map(|target| {
        let oldest = target.reclaim_lag_seconds.filter(|lag| *lag > 0);
        let unknown = || "unknown".to_owned();
        [
            target.table.clone(),
            target.held_back_by.clone().unwrap_or_else(|| "-".into()),
            target
                .dead_bytes
                .map_or_else(unknown, |bytes| Bytes(bytes).to_string()),
            or_dash(oldest.map(length)),
            Bytes(target.quarantined_bytes).to_string(),
            or_dash(target.quarantined_until.map(|at| at.to_string())),
        ]
    });
    let header = [
        "table",
        "held back by",
        "dead",
        "oldest",
        "quarantined",
        "until",
    ];
    table(header, &[2, 3, 4], rows)
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// Why tables are held back, and why something is not known; each once, with the tables that it is of.
fn reasons(targets: &[TargetView]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for target in targets {
        let of_table = target.reason.iter().chain(&target.stalled);
        let of_table = of_table.map(String::as_str);
        for reason in of_table.chain(target.unknown.iter().copied()) {
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, tables)) => tables.push(&target.table),
                None => reasons.push((reason, vec![&target.table])),
            }
        }
    }
    let line = |(reason, tables): (&str, Vec<&str>)| format!("{}: {reason}", tables.join(", "));
    reasons.into_iter().map(line).collect()
}
