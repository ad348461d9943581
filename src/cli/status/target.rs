//! One table, as the ledger and the servers that answered say.
//!
//! Invariant: what is not known is nothing, not zero, and it says why.

use std::num::NonZeroU32;

use jiff::Timestamp;
use serde::Serialize;

use super::now::Answer;
use crate::guard::PauseScope;
use crate::ledger::{Look, PauseRecord, QuarantineRecord, RemainsNote};
use crate::pace::Signal;
use crate::plan::{StepCost, rows_per_second};
use crate::schedule::{HeldBack, TargetStatus, held_last, left_everywhere};
use crate::slot::SlotRange;
use crate::warehouse::Shard;

/// One table. What is not known is nothing, and `unknown` says why.
#[derive(Debug, Serialize)]
pub(super) struct TargetView {
    pub(super) table: String,
    pub(super) held_back_by: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) stalled: Option<String>,
    pub(super) backlog_rows: Option<u64>,
    /// Whether they are too many to be counted: then there are at most so many.
    pub(super) backlog_is_uncounted: bool,
    pub(super) deferred_rows: Option<u64>,
    pub(super) waiting_rows: Option<u64>,
    pub(super) retention_lag_seconds: Option<u64>,
    pub(super) rows_per_second: Option<u64>,
    pub(super) seconds_left: Option<u64>,
    pub(super) eta: Option<Timestamp>,
    pub(super) dead_bytes: Option<u64>,
    pub(super) reclaim_lag_seconds: Option<u64>,
    pub(super) dead_seen_at: Option<Timestamp>,
    pub(super) quarantined_bytes: u64,
    pub(super) quarantined_until: Option<Timestamp>,
    pub(super) unknown: Vec<&'static str>,
}

/// Whether a word is that of a load. Who looks once knows nothing of what is usual, and goes at once
/// below a limit that others wait far below.
fn is_of_load(by: &str) -> bool {
    let loads = Signal::ALL.into_iter();
    let mut loads = loads.filter(|signal| *signal != Signal::Unreadable);
    loads.any(|signal| signal.as_str() == by)
}

/// What the ledger knows.
pub(super) struct Known {
    pub(super) now: Timestamp,
    pub(super) looks: Vec<Look>,
    pub(super) costs: Vec<StepCost>,
    pub(super) remains: Vec<RemainsNote>,
    pub(super) quarantines: Vec<QuarantineRecord>,
    pub(super) pauses: Vec<PauseRecord>,
    pub(super) most: NonZeroU32,
}

impl Known {
    pub(super) fn target(&self, table: &str, shards: &[Shard], answers: &[Answer]) -> TargetView {
        let left = left_everywhere(&self.looks, table);
        let mut status = TargetStatus::new(table);
        status.show_left(&left);
        status.show_eta(&self.costs, self.most, self.now);
        status.show_remains(&self.remains, shards, self.now);
        status.show_quarantined(&self.quarantines);
        let held = self.held(table, answers);
        let is_looked_at = !self.looks.is_empty();
        let rate = rows_per_second(table, &self.costs, self.most);
        let time_left = status.time_left(&self.costs, self.most);
        let is_seen = status.dead_seen_at.is_some();
        TargetView {
            unknown: self.unknown(is_looked_at, left.n_rows > 0 && rate.is_none(), is_seen),
            held_back_by: held.as_ref().map(|held| held.by.clone()),
            reason: held.map(|held| held.reason),
            stalled: answers.iter().find_map(|answer| answer.stalled(table)),
            backlog_rows: is_looked_at.then_some(status.backlog_rows),
            backlog_is_uncounted: status.backlog_is_uncounted,
            deferred_rows: is_looked_at.then_some(status.deferred_rows),
            waiting_rows: is_looked_at.then_some(status.waiting_rows),
            retention_lag_seconds: is_looked_at.then_some(status.retention_lag_seconds),
            rows_per_second: rate,
            seconds_left: time_left.map(|left| left.as_secs()),
            eta: status.eta,
            dead_bytes: is_seen.then_some(status.dead_bytes),
            reclaim_lag_seconds: is_seen.then_some(status.reclaim_lag_seconds),
            dead_seen_at: status.dead_seen_at,
            quarantined_bytes: status.quarantined_bytes,
            quarantined_until: status.quarantined_until,
            table: status.table,
        }
    }

    /// What holds a table back: a pause, ClickHouse at this moment, or what a cycle met last and
    /// nobody but a cycle can see.
    fn held(&self, table: &str, answers: &[Answer]) -> Option<HeldBack> {
        let mut pauses = self.pauses.iter();
        let pause = pauses.find(|record| match &record.pause.scope {
            PauseScope::Everything => true,
            PauseScope::Target(name) => **name == *table,
            PauseScope::Workspace(_) => false,
        });
        if let Some(record) = pause {
            return Some(HeldBack {
                by: "paused".into(),
                reason: format!("{}: {}", record.pause.scope, record.pause.reason),
            });
        }
        let of_cycle = |(at, held): (Timestamp, HeldBack)| match held.by.as_str() {
            "failed" | "refused" | "approval" => Some(held),
            // Of a workspace; or one that has ended since.
            "paused" => (!self.pauses.is_empty()).then_some(held),
            by if is_of_load(by) => Some(HeldBack {
                reason: format!("as a cycle found at {at}: {}", held.reason),
                ..held
            }),
            // It was asked just now.
            _ => None,
        };
        answers
            .iter()
            .find_map(|answer| answer.held(table))
            .or_else(|| held_last(&self.looks, table).and_then(of_cycle))
    }

    fn unknown(&self, is_looked_at: bool, is_new: bool, is_seen: bool) -> Vec<&'static str> {
        let ranges: Vec<SlotRange> = self.looks.iter().map(|look| look.range).collect();
        let is_part = is_looked_at && !SlotRange::ALL.without(&ranges).is_empty();
        let reasons = [
            (
                !is_looked_at,
                "what is left is not known: no sidecar has looked yet; `ebbtide plan` looks now",
            ),
            (
                is_part,
                "more may be left: no sidecar has looked at all workspaces yet",
            ),
            (
                is_new,
                "how long it takes is not known: no step of the last 30 days says",
            ),
            (
                !is_seen,
                "what deleted rows hold is not known: no sidecar has looked yet; \
                 `ebbtide reclaim --dry-run` looks now",
            ),
        ];
        let reasons = reasons.into_iter().filter(|(is_so, _)| *is_so);
        reasons.map(|(_, reason)| reason).collect()
    }
}
