//! What the sidecar does at present, for its log and its API.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What the sidecar does at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// The instance: host, process, and a few letters by chance.
    pub instance: String,
    /// What it does.
    pub phase: Phase,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When the next slot is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_slot_at: Option<Timestamp>,
    /// Slots of today: how many there are, and the share of all workspaces that is done.
    pub n_slots: u32,
    /// The share of the places of today that is done, from 0 to 1000.
    pub done_permille: u32,
    /// The cycle that runs, or ran last.
    pub cycle: Option<String>,
    /// When the last cycle ended as done.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success_at: Option<Timestamp>,
    /// Why the configuration that was read last is not in force, if so.
    pub config_error: Option<String>,
    /// Each target.
    pub targets: Vec<TargetStatus>,
}

/// What the sidecar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not reached its servers yet, or cannot reach them any more.
    Starting,
    /// Nothing is due.
    Idle,
    /// A cycle is at work.
    Working,
    /// Something is due, and something holds it back.
    Waiting,
    /// It only plans: `retention.enabled` is false.
    DryRun,
    /// It is about to end.
    Stopping,
}

impl Phase {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::DryRun => "dry_run",
            Self::Stopping => "stopping",
        }
    }
}

/// One target: what holds it back, since when, and what is left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetStatus {
    /// The table.
    pub table: String,
    /// What holds it back: `paused`, `approval`, `unreachable`, `running_mutation`, `failed`, `refused`,
    /// `lease`, or what ClickHouse is too busy with: `parts_mutating`, `unfinished_mutations`,
    /// `parts_share`, `replication_lag`, `replication_queue`, `free_disk_share`, `foreground_latency`,
    /// and `unreadable` if nobody knows; nothing if nothing does.
    pub held_back_by: Option<String>,
    /// The particulars, for people.
    pub reason: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// A mutation of ours of which no part was finished for `pace.stall_after`, if there is one.
    pub stalled: Option<String>,
    /// Expired rows still there, as the last cycles saw them.
    pub backlog_rows: u64,
    /// Rows of those that are left to later cycles: they are more than `retention.budget` allows, or than
    /// could be counted, or their steps were too large for ClickHouse.
    pub deferred_rows: u64,
    /// Rows that would go once a change is approved, or its armed time is over.
    pub waiting_rows: u64,
    /// Whether they were too many to be counted at once: then there are at most so many.
    pub backlog_is_uncounted: bool,
    /// Seconds from the oldest expired row still there to its cutoff.
    pub retention_lag_seconds: u64,
    /// Rows that the cycle at work, or the one before it, was to delete.
    pub cycle_rows_due: u64,
    /// Rows of those that are gone by now.
    pub cycle_rows_deleted: u64,
    /// Bytes of disk that deleted rows hold until their parts are merged or rewritten.
    pub dead_bytes: u64,
    /// Seconds for which the oldest of them is deleted.
    pub reclaim_lag_seconds: u64,
    /// When it was looked last, on the shard where that is longest ago; nothing where some shard was
    /// never looked at, so that nobody knows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub dead_seen_at: Option<Timestamp>,
    /// Bytes of partitions in quarantine.
    pub quarantined_bytes: u64,
    /// From when on the first of them is dropped, or goes back if somebody wants any of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub quarantined_until: Option<Timestamp>,
    /// When the backlog is gone at the earliest: at the rate of the last steps of the table, a hundred at
    /// most of each method and of 30 days, and no faster than `pace.rows_per_second`. What else makes
    /// it wait is not in it: `pace.window`, back-pressure, slots, `pace.statements_per_minute` and
    /// `retention.budget`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub eta: Option<Timestamp>,
}

impl TargetStatus {
    /// A target of which nothing is known yet.
    pub(crate) fn new(table: &str) -> Self {
        Self {
            table: table.into(),
            held_back_by: None,
            reason: None,
            since: None,
            stalled: None,
            backlog_rows: 0,
            deferred_rows: 0,
            waiting_rows: 0,
            backlog_is_uncounted: false,
            retention_lag_seconds: 0,
            cycle_rows_due: 0,
            cycle_rows_deleted: 0,
            dead_bytes: 0,
            reclaim_lag_seconds: 0,
            dead_seen_at: None,
            quarantined_bytes: 0,
            quarantined_until: None,
            eta: None,
        }
    }

    /// Says what holds it back from now on; since when is kept while that stays the same.
    pub(super) fn hold(&mut self, by: Option<String>, reason: Option<String>, now: Timestamp) {
        if self.held_back_by != by {
            self.since = by.is_some().then_some(now);
            self.held_back_by = by;
        }
        self.reason = reason;
    }
}
