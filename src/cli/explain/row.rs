//! What becomes of one row: why it is still here, and when it goes.

use jiff::Timestamp;
use serde::Serialize;

use super::BaseLine;
use super::guards::GuardLines;
use crate::cutoff::Bounds;
use crate::resolve::Fate;
use crate::target::TargetChange;

/// What becomes of one row.
#[derive(Debug, Serialize)]
pub(super) struct RowLine {
    time: String,
    is_expired: bool,
    /// When the first cycle may delete it, if nothing keeps it; nothing for never.
    expires_at: Option<String>,
    /// What keeps it although it is expired.
    kept_by: Vec<String>,
    reason: String,
}

impl RowLine {
    pub(super) fn new(
        time: Timestamp,
        fate: Fate,
        effective: Option<Bounds>,
        base: Option<&BaseLine>,
        guards: &GuardLines,
    ) -> Self {
        let is_expired = matches!(fate, Fate::Expired { .. });
        let mut line = Self {
            time: time.to_string(),
            is_expired,
            expires_at: fate.expires_at().map(|at| at.to_string()),
            kept_by: Vec::new(),
            reason: by_rule(fate).into(),
        };
        let is_let_go = effective.is_some_and(|bounds| bounds.contains(time.as_millisecond()));
        if let Some(base) = base.filter(|_| is_expired && !is_let_go) {
            line.kept_by.push(waiting(base));
        }
        if is_expired {
            let over = guards.holds.iter();
            let held = over.filter(|hold| hold.range().contains(time));
            line.kept_by.extend(held.map(|hold| {
                format!(
                    "hold {} keeps it ({}; {})",
                    hold.hold, hold.reason, hold.owner
                )
            }));
            line.kept_by.extend(guards.pauses.iter().map(|pause| {
                let table = pause.target.as_ref();
                let table =
                    table.map_or_else(String::new, |table| format!(", if it is in {table}"));
                format!("{} is paused{table} ({})", pause.scope, pause.reason)
            }));
        }
        let of_projects = guards.project_holds.iter();
        let held_projects: Vec<&str> = of_projects
            .filter(|hold| hold.range().contains(time))
            .map(|hold| hold.scope.as_str())
            .collect();
        if is_expired && line.kept_by.is_empty() && !held_projects.is_empty() {
            let projects = held_projects.join(" or ");
            line.reason
                .push_str(&format!(", or it is of {projects}, which is held"));
        }
        line.say_what_keeps_it();
        line
    }

    /// Adds what of the targets it may wait for.
    pub(super) fn wait_for(&mut self, changes: &[TargetChange]) {
        if self.is_expired {
            let waits = |change| format!("rows wait where a target reaches further ({change})");
            self.kept_by.extend(changes.iter().map(waits));
            self.say_what_keeps_it();
        }
    }

    fn say_what_keeps_it(&mut self) {
        if !self.kept_by.is_empty() {
            self.reason = format!("it is expired, but {}", self.kept_by.join("; and "));
        }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = vec![
            format!("a row of {}", self.time),
            format!("  {}", self.reason),
        ];
        lines.extend(
            self.expires_at
                .iter()
                .map(|at| format!("  expires       {at}")),
        );
        lines
    }
}

fn waiting(base: &BaseLine) -> String {
    match (base.revision, base.armed_until) {
        (_, Some(at)) => format!("the rules of now are armed until {at}"),
        (None, None) => "nothing was approved yet, so nothing is deleted".into(),
        (Some(revision), None) => format!(
            "the rules that were approved last, of revision {revision}, keep it; those of now wait \
             for an approval"
        ),
    }
}

/// What the rules of now say of it.
fn by_rule(fate: Fate) -> &'static str {
    match fate {
        Fate::Unlimited => "the retention is unlimited: it stays",
        Fate::OlderThanTheRule => {
            "it is older than the rule, which does not apply to the past: it stays"
        }
        Fate::Expired { .. } => {
            "it is expired: the next cycle deletes it, unless the target keeps it"
        }
        Fate::NotExpired { .. } => "it is not below the cutoff: it stays until it expires",
    }
}
