//! What is heard of a cycle, as metrics and as one wide event for each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::{Metrics, metric, ms};
use crate::engine::{Event, ReclaimReport, Reclaimed, StepOutcomeKind, StepReport};
use crate::ledger::QuarantineRecord;
use crate::pace::Wait;
use crate::plan::{Plan, TableInventory};

/// Listens to an engine.
pub(crate) struct Watch {
    metrics: Metrics,
    cycle: Mutex<Cycle>,
    /// Stalled mutations by table and shard.
    stalled: Mutex<BTreeMap<(String, String), usize>>,
    /// Tables that had something in quarantine.
    quarantined: Mutex<BTreeSet<String>>,
}

/// The cycle that is at work: what each of its steps says besides its own.
#[derive(Default)]
struct Cycle {
    id: String,
    revision: u64,
    day: String,
}

impl Watch {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            cycle: Mutex::default(),
            stalled: Mutex::default(),
            quarantined: Mutex::default(),
        }
    }

    /// Counts and logs what happened.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Surveyed { inventory } => self.surveyed(inventory),
            Event::CycleStarted { cycle, plan } => self.started(cycle, plan),
            Event::Throttled { reason, length } => self.metrics.throttled(reason, *length),
            Event::StepFinished { report, .. } => self.finished(report),
            Event::Reclaimed { report } => self.reclaimed(report),
            Event::Replanning => {
                tracing::info!(
                    "rules, holds, pauses or step sizes changed; planning the rest again"
                );
            }
            Event::HeldBack { shard, table, wait } => held_back(shard, table, *wait),
            Event::Stalled {
                shard,
                table,
                mutations,
            } => self.stalled(shard, table, mutations),
            Event::Quarantined { records } => self.quarantined(records),
            _ => {}
        }
    }

    fn surveyed(&self, inventory: &TableInventory) {
        let label = [("table", &*inventory.table)];
        self.metrics
            .record(metric::PROBE_DURATION, &label, inventory.probed_in);
    }

    /// What nobody keeps any more is nothing, not what it was.
    fn quarantined(&self, records: &[QuarantineRecord]) {
        let lock = self.quarantined.lock();
        let mut tables = lock.unwrap_or_else(PoisonError::into_inner);
        tables.extend(records.iter().map(|record| record.quarantine.table.clone()));
        for table in &*tables {
            let of_table = records
                .iter()
                .filter(|record| record.quarantine.table == *table);
            let n_bytes = of_table.map(|record| record.n_bytes).sum();
            self.metrics
                .set_count(metric::QUARANTINED, &[("table", table)], n_bytes);
        }
    }

    /// Each look says so in the metric, and each change once in the log.
    fn stalled(&self, shard: &str, table: &str, mutations: &[String]) {
        let (is_new, n_stalled) = {
            let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (table.to_owned(), shard.to_owned());
            let before = stalled.insert(key, mutations.len()).unwrap_or(0);
            let of_table = stalled.iter().filter(|((name, _), _)| name == table);
            let n_stalled: usize = of_table.map(|(_, n)| n).sum();
            (before < mutations.len(), n_stalled)
        };
        if is_new {
            for reason in mutations {
                tracing::warn!(shard, table, reason, "a mutation is stalled");
            }
        }
        let n_stalled = u64::try_from(n_stalled).unwrap_or(u64::MAX);
        self.metrics
            .set_count(metric::STALLED, &[("table", table)], n_stalled);
    }

    fn started(&self, cycle: &str, plan: &Plan) {
        *self.lock() = Cycle {
            id: cycle.to_owned(),
            revision: plan.revision,
            day: plan.day.clone(),
        };
    }

    fn finished(&self, report: &StepReport) {
        let verdict = verdict(report);
        let table = &*report.table;
        let labels = [("table", table), ("verdict", verdict)];
        self.metrics.add(metric::STEPS, &labels, 1);
        let labels = [("table", table), ("method", report.method.as_str())];
        self.metrics
            .add(metric::ROWS_DELETED, &labels, report.n_deleted());
        if report.query_id.is_some() {
            let label = [("table", table)];
            self.metrics
                .record(metric::STATEMENT_DURATION, &label, report.duration);
        }
        self.log(report, verdict);
    }

    fn reclaimed(&self, report: &ReclaimReport) {
        let table = &*report.table;
        let freed_bytes = report.freed_bytes();
        let label = [("table", table)];
        self.metrics
            .add(metric::RECLAIMED_BYTES, &label, freed_bytes);
        let (outcome, why) = match &report.outcome {
            Reclaimed::Freed { .. } => ("freed", None),
            Reclaimed::Masked => ("masked", None),
            Reclaimed::Failed { error: why } => ("failed", Some(why)),
            Reclaimed::Left { reason: why } => ("left", Some(why)),
        };
        tracing::info!(
            cycle = report.cycle,
            shard = &*report.shard,
            table,
            partition = &*report.partition,
            rows_dead = report.n_dead,
            freed_bytes,
            outcome,
            why,
            duration_ms = ms(report.duration),
            "reclaim"
        );
    }

    fn log(&self, report: &StepReport, verdict: &str) {
        let why = match &report.outcome {
            StepOutcomeKind::Failed { error: why, .. }
            | StepOutcomeKind::Skipped { reason: why } => Some(why.as_str()),
            StepOutcomeKind::Applied(_) => None,
        };
        let rows_left = report.n_due.saturating_sub(report.n_deleted());
        let cycle = self.lock();
        tracing::info!(
            cycle = cycle.id,
            day = cycle.day,
            revision = cycle.revision,
            step = report.number,
            shard = &*report.shard,
            table = &*report.table,
            method = report.method.as_str(),
            shape = report.shape.map(crate::compile::Shape::as_str),
            n_policies = report.n_arms,
            n_left_out = report.n_left_out,
            rows_due = report.n_due,
            rows_deleted = report.n_deleted(),
            rows_left,
            verdict,
            why,
            statement_ms = ms(report.statement),
            probe_ms = ms(report.probe),
            duration_ms = ms(report.duration),
            query_id = report.query_id,
            "step"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cycle> {
        self.cycle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heard once for each change.
fn held_back(shard: &str, table: &str, wait: Option<&Wait>) {
    if let Some(wait) = wait {
        let signal = wait.signal.as_str();
        tracing::warn!(shard, table, signal, reason = %wait, "a table is held back");
    } else {
        tracing::info!(shard, table, "a table is held back no longer");
    }
}

fn verdict(report: &StepReport) -> &'static str {
    match &report.outcome {
        StepOutcomeKind::Applied(verdict) => verdict.as_str(),
        StepOutcomeKind::Failed { .. } => "failed",
        StepOutcomeKind::Skipped { .. } => "skipped",
    }
}
