//! What is due: the same for all ways, as bounds of workspaces and as rules.

use ebbtide::smallest_id;

use crate::data::{DAY_MS, Layout, MIDNIGHT_MS, N_WORKSPACES, workspace};

/// A workspace and the interval of time in which its spans are due.
#[derive(Debug, Clone)]
pub struct Due {
    pub number: u32,
    /// None: from the beginning.
    pub from_ms: Option<i64>,
    pub retention_days: i64,
}

impl Due {
    pub fn workspace(&self) -> String {
        workspace(self.number)
    }

    pub fn lower_id(&self) -> String {
        smallest_id(self.from_ms.unwrap_or(0)).to_string()
    }

    pub fn below_ms(&self) -> i64 {
        MIDNIGHT_MS - self.retention_days * DAY_MS
    }

    pub fn below_id(&self) -> String {
        smallest_id(self.below_ms()).to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    OneCutoff,
    TenPeriods,
    FromNowOn,
    NothingDue,
    WholePartitions,
    Window,
    Day,
}

use Situation::{Day, FromNowOn, NothingDue, OneCutoff, TenPeriods, WholePartitions, Window};

/// In the order in which they are measured.
pub const ALL: [(Situation, Layout); 12] = [
    (NothingDue, Layout::Daily),
    (OneCutoff, Layout::Unpartitioned),
    (FromNowOn, Layout::Unpartitioned),
    (WholePartitions, Layout::Daily),
    (Window, Layout::Daily),
    (Day, Layout::Weekly),
    (NothingDue, Layout::Weekly),
    (OneCutoff, Layout::Weekly),
    (FromNowOn, Layout::Weekly),
    (TenPeriods, Layout::Weekly),
    (TenPeriods, Layout::Unpartitioned),
    (NothingDue, Layout::Unpartitioned),
];

impl Situation {
    pub fn name(self) -> &'static str {
        match self {
            OneCutoff => "one cutoff",
            TenPeriods => "ten periods",
            FromNowOn => "from now on",
            NothingDue => "nothing due",
            WholePartitions => "whole partitions",
            Window => "a window",
            Day => "a day of slots",
        }
    }

    /// Whether the disk is looked at after a reclaim too, which takes long.
    pub fn is_reclaimed(self) -> bool {
        matches!(self, OneCutoff | WholePartitions | Window)
    }

    pub fn what(self) -> &'static str {
        match self {
            OneCutoff => "1,000 workspaces with one retention, three days due",
            TenPeriods => "1,000 workspaces with ten retentions, three to twelve days due",
            FromNowOn => {
                "500 workspaces with `apply_to_past: false`, each with a lower bound of its own"
            }
            NothingDue => "1,000 workspaces with one retention, nothing due",
            WholePartitions => "1,000 workspaces with one retention, the oldest 30 days due",
            Window => "500 of 1,000 workspaces with one retention, three days due",
            Day => "1,000 workspaces with one retention, three days due, in 48 slots or in one",
        }
    }

    /// Workspaces with what is due of them.
    pub fn due(self) -> Vec<Due> {
        let all = |days: fn(u32) -> i64| {
            (0..N_WORKSPACES)
                .map(|number| Due {
                    number,
                    from_ms: None,
                    retention_days: days(number),
                })
                .collect::<Vec<_>>()
        };
        let half = |due: Vec<Due>| due.into_iter().step_by(2).collect();
        match self {
            OneCutoff | Day => all(|_| 95),
            TenPeriods => all(|number| 95 - i64::from(number % 10)),
            FromNowOn => half(
                all(|_| 91)
                    .into_iter()
                    .map(|due| Due {
                        // Rules of three days, one every four minutes.
                        from_ms: Some(
                            MIDNIGHT_MS - 97 * DAY_MS + i64::from(due.number) * 4 * 60_000,
                        ),
                        ..due
                    })
                    .collect(),
            ),
            NothingDue => all(|_| 98),
            WholePartitions => all(|_| 68),
            Window => half(all(|_| 95)),
        }
    }
}
