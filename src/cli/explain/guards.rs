//! Holds and pauses over what is explained.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::holds;
use crate::engine::Explained;
use crate::guard::{HoldRange, PauseScope};
use crate::ledger::{HoldRecord, PauseRecord};

/// Holds and pauses over what is explained.
#[derive(Debug, Serialize)]
pub(super) struct GuardLines {
    pub(super) holds: Vec<HoldLine>,
    /// Holds over some of the workspace's projects.
    pub(super) project_holds: Vec<HoldLine>,
    pub(super) pauses: Vec<PauseLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct HoldLine {
    pub(super) hold: u64,
    pub(super) scope: String,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: String,
    pub(super) owner: String,
}

impl HoldLine {
    pub(super) fn range(&self) -> HoldRange {
        HoldRange {
            from: self.from,
            until: self.until,
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "hold {} of {}: {} stay ({}; {})",
            self.hold,
            self.scope,
            holds::rows(self.range()),
            self.reason,
            self.owner
        )
    }
}

#[derive(Debug, Serialize)]
pub(super) struct PauseLine {
    pub(super) scope: String,
    /// The one table that it is about, if it is about one.
    pub(super) target: Option<String>,
    pub(super) reason: String,
    pub(super) since: Timestamp,
}

impl GuardLines {
    pub(super) fn of(explained: &Explained<'_>) -> Self {
        let mut holds = explained.holds.clone();
        holds.sort_unstable_by_key(|record| record.id);
        let lines = |holds: &[&HoldRecord]| holds.iter().copied().map(HoldLine::from).collect();
        Self {
            holds: lines(&holds),
            project_holds: lines(&explained.project_holds),
            pauses: explained
                .pauses
                .iter()
                .copied()
                .map(PauseLine::from)
                .collect(),
        }
    }
}

impl From<&HoldRecord> for HoldLine {
    fn from(record: &HoldRecord) -> Self {
        let hold = &record.hold;
        Self {
            hold: record.id,
            scope: hold.scope.to_string(),
            from: hold.range.from,
            until: hold.range.until,
            reason: hold.reason.clone(),
            owner: hold.owner.clone(),
        }
    }
}

impl From<&PauseRecord> for PauseLine {
    fn from(record: &PauseRecord) -> Self {
        let pause = &record.pause;
        Self {
            scope: pause.scope.to_string(),
            target: match &pause.scope {
                PauseScope::Target(table) => Some(table.to_string()),
                PauseScope::Everything | PauseScope::Workspace(_) => None,
            },
            reason: pause.reason.clone(),
            since: pause.created_at,
        }
    }
}
