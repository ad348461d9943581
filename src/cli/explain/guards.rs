//! Holds and pauses over what is explained.

use jiff::Timestamp;
use serde::Serialize;

use super::Explain;
use crate::cli::holds;
use crate::engine::Rulebook;
use crate::guard::{HoldRange, PauseScope};
use crate::ledger::{Ledger, LedgerError};

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

pub(super) async fn read(
    args: &Explain,
    rulebook: &Rulebook,
    ledger: &dyn Ledger,
) -> Result<GuardLines, LedgerError> {
    let organization = rulebook.directory.organization_of(&args.workspace);
    let over: Vec<u64> = rulebook
        .guards
        .over(
            &args.workspace,
            args.project.as_deref(),
            organization.map(|name| &**name),
        )
        .map(|hold| hold.id)
        .collect();
    let over_projects: Vec<u64> = rulebook
        .guards
        .over_projects(&args.workspace)
        .filter(|_| args.project.is_none())
        .map(|(_, hold)| hold.id)
        .collect();
    let mut lines = GuardLines {
        holds: Vec::new(),
        project_holds: Vec::new(),
        pauses: Vec::new(),
    };
    for record in ledger.holds(false).await? {
        let hold = record.hold;
        let line = HoldLine {
            hold: record.id,
            scope: hold.scope.to_string(),
            from: hold.range.from,
            until: hold.range.until,
            reason: hold.reason,
            owner: hold.owner,
        };
        if over.contains(&record.id) {
            lines.holds.push(line);
        } else if over_projects.contains(&record.id) {
            lines.project_holds.push(line);
        }
    }
    for record in ledger.pauses(false).await? {
        let pause = record.pause;
        let target = match &pause.scope {
            PauseScope::Everything => None,
            PauseScope::Target(table) => Some(table.to_string()),
            PauseScope::Workspace(name) if **name == *args.workspace => None,
            PauseScope::Workspace(_) => continue,
        };
        lines.pauses.push(PauseLine {
            scope: pause.scope.to_string(),
            target,
            reason: pause.reason,
            since: pause.created_at,
        });
    }
    Ok(lines)
}
