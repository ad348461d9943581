//! The board: where the loop writes what it does. Every change of phase is logged once.

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Phase, Status, TargetStatus};
use crate::engine::Event;

/// The writing end of the status.
#[derive(Debug, Clone)]
pub(super) struct Board {
    status: watch::Sender<Status>,
}

impl Board {
    pub(super) fn new(
        instance: &str,
        tables: impl Iterator<Item = String>,
        now: Timestamp,
    ) -> Self {
        Self {
            status: watch::Sender::new(Status {
                instance: instance.into(),
                phase: Phase::Starting,
                reason: "its servers have not been reached yet".into(),
                since: now,
                next_slot_at: None,
                n_slots: 0,
                done_permille: 0,
                cycle: None,
                last_success_at: None,
                config_error: None,
                targets: tables.map(|table| TargetStatus::new(&table)).collect(),
            }),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Says what the sidecar does from now on, and why.
    pub(super) fn phase(&self, phase: Phase, reason: impl Into<String>, now: Timestamp) {
        let reason = reason.into();
        self.status.send_if_modified(|status| {
            // Whoever is about to end does nothing else any more.
            let is_over = status.phase == Phase::Stopping;
            if is_over || (status.phase == phase && status.reason == reason) {
                return false;
            }
            if status.phase != phase {
                tracing::info!(
                    from = status.phase.as_str(),
                    phase = phase.as_str(),
                    reason,
                    "phase changed"
                );
                status.phase = phase;
                status.since = now;
            }
            status.reason = reason;
            true
        });
    }

    /// What it said last.
    pub(super) fn phase_now(&self) -> Phase {
        self.status.borrow().phase
    }

    /// Changes other parts of the status.
    pub(super) fn write(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    /// How far a cycle at work is, and what holds a table back.
    pub(super) fn hear(&self, event: &Event<'_>, now: Timestamp) {
        let change = |table: &str, change: &dyn Fn(&mut TargetStatus)| {
            self.write(|status| {
                let of_table = |target: &&mut TargetStatus| target.table == table;
                status.targets.iter_mut().filter(of_table).for_each(change);
            });
        };
        match event {
            Event::HeldBack { shard, table, wait } => change(table, &|target| {
                let by = wait.map(|wait| wait.signal.as_str().to_owned());
                let reason = wait.map(|wait| format!("on {shard}: {wait}"));
                target.hold(by, reason, now);
            }),
            Event::Stalled {
                table, mutations, ..
            } => change(table, &|target| {
                target.stalled = mutations.first().cloned();
            }),
            Event::CycleStarted { plan, .. } => self.write(|status| {
                for target in &mut status.targets {
                    let of_table = plan.tables.iter().filter(|of| *of.table == *target.table);
                    target.cycle_rows_due = of_table.map(|of| of.n_due).sum();
                    target.cycle_rows_deleted = 0;
                }
            }),
            Event::StepFinished { report, .. } => change(&report.table, &|target| {
                target.cycle_rows_deleted += report.n_deleted();
            }),
            _ => {}
        }
    }

    /// The targets of another configuration; those that stay keep what is known of them.
    pub(super) fn retarget(&self, tables: impl Iterator<Item = String>) {
        self.write(|status| {
            status.targets = tables
                .map(|table| {
                    let known = status.targets.iter().find(|target| target.table == table);
                    known.cloned().unwrap_or_else(|| TargetStatus::new(&table))
                })
                .collect();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn since_is_when_the_phase_began_and_not_when_its_reason_changed() {
        let board = Board::new("me", ["spans".to_owned()].into_iter(), at(1));
        board.phase(Phase::Idle, "nothing is due", at(2));
        board.phase(Phase::Idle, "still nothing", at(3));
        let status = board.watch().borrow().clone();
        assert_eq!(
            (status.since, status.reason.as_str()),
            (at(2), "still nothing")
        );
    }

    #[test]
    fn nobody_is_woken_for_nothing_and_targets_keep_what_is_known() {
        let board = Board::new("me", ["spans".to_owned()].into_iter(), at(1));
        let mut watch = board.watch();
        watch.mark_unchanged();
        board.phase(
            Phase::Starting,
            "its servers have not been reached yet",
            at(2),
        );
        board.write(|_| {});
        assert!(!watch.has_changed().unwrap());
        board.write(|status| status.targets[0].backlog_rows = 7);
        board.retarget(["spans", "traces"].map(str::to_owned).into_iter());
        let rows: Vec<u64> = watch
            .borrow()
            .targets
            .iter()
            .map(|t| t.backlog_rows)
            .collect();
        assert_eq!(rows, [7, 0]);
    }
}
