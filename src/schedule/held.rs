//! What holds tables back, as a plan and its cycle say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cycle::{Cycled, End};
use super::error_chain;
use crate::engine::EngineError;
use crate::plan::{Plan, Refusal};

/// What holds a table back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// The word for it, as the status has it.
    pub(crate) by: String,
    /// The particulars, for people.
    pub(crate) reason: String,
}

/// What holds each table back; the first reason stands.
pub(super) fn held_back(plan: &Plan, cycled: &Cycled) -> BTreeMap<String, HeldBack> {
    let mut held: BTreeMap<String, HeldBack> = BTreeMap::new();
    let mut note = |table: &str, by: &str, reason: String| {
        let by = by.to_owned();
        held.entry(table.to_owned())
            .or_insert(HeldBack { by, reason });
    };
    for unprobed in &plan.unprobed {
        let by = if unprobed.is_unreachable {
            "unreachable"
        } else if unprobed.is_running {
            "running_mutation"
        } else {
            "failed"
        };
        match &unprobed.table {
            Some(table) => note(table, by, unprobed.reason.clone()),
            None => plan
                .targets
                .iter()
                .for_each(|target| note(&target.target.table, by, unprobed.reason.clone())),
        }
    }
    match &cycled.end {
        End::Reported(report) => {
            for step in report.steps.iter().filter(|step| !step.is_verified()) {
                let by = match step.held_by {
                    Some(signal) => signal.as_str(),
                    None if step.is_running => "running_mutation",
                    None => "failed",
                };
                note(&step.table, by, step.why());
            }
        }
        End::Failed(EngineError::Refused { refusals }) => {
            for refusal in refusals {
                match refusal {
                    Refusal::Share { table, .. }
                    | Refusal::Floor { table, .. }
                    | Refusal::Held { table, .. }
                    | Refusal::Paused { table, .. } => note(table, "refused", refusal.to_string()),
                    _ => plan
                        .tables
                        .iter()
                        .for_each(|table| note(&table.table, "refused", refusal.to_string())),
                }
            }
        }
        End::Failed(error) => {
            let by = if error.is_unreachable() {
                "unreachable"
            } else {
                "failed"
            };
            for table in &plan.tables {
                note(&table.table, by, error_chain(error));
            }
        }
        End::Rehearsed | End::Stopped | End::Abandoned => {}
    }
    for paused in &plan.paused {
        let reason = format!("{} expired rows are paused", paused.n_rows);
        note(&paused.table, "paused", reason);
    }
    for waiting in &plan.waiting {
        let reason = match plan.armed_at {
            Some(at) => format!(
                "{} rows wait; the rules of now are armed until {at}",
                waiting.n_rows
            ),
            None => format!("{} rows wait for an approval", waiting.n_rows),
        };
        note(&waiting.table, "approval", reason);
    }
    held
}
