//! The digest of a plan: whoever approved it approved exactly this.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Arm, Basis, Plan, PlannedRule, PlannedTarget, Projects, Step, TablePlan, TableRows, Unprobed,
};
use crate::guard::PauseScope;
use crate::slot::SlotRange;

/// Everything but the steps. What the plan was refused for is a conclusion from it.
#[derive(Serialize)]
struct Header<'a> {
    as_of: Timestamp,
    day: &'a str,
    rules_digest: &'a str,
    revision: u64,
    basis: Basis,
    needs_base: bool,
    base_revision: Option<u64>,
    slot: Option<SlotRange>,
    tables: &'a [TablePlan],
    rules: &'a [PlannedRule],
    targets: &'a [PlannedTarget],
    waiting: &'a [TableRows],
    held: &'a [TableRows],
    paused: &'a [TableRows],
    holds: &'a [u64],
    active_holds: &'a [u64],
    pauses: &'a [PauseScope],
    unprobed: &'a [Unprobed],
}

impl Plan {
    /// SHA-256 over everything that the plan would do and was made from: revision, rules, base,
    /// holds, pauses, targets, cutoffs, counts, steps.
    pub fn computed_digest(&self) -> String {
        let header = Header {
            as_of: self.as_of,
            day: &self.day,
            rules_digest: &self.rules_digest,
            revision: self.revision,
            basis: self.basis,
            needs_base: self.needs_base,
            base_revision: self.base_revision,
            slot: self.slot,
            tables: &self.tables,
            rules: &self.rules,
            targets: &self.targets,
            waiting: &self.waiting,
            held: &self.held,
            paused: &self.paused,
            holds: &self.holds,
            active_holds: &self.active_holds,
            pauses: &self.pauses,
            unprobed: &self.unprobed,
        };
        let mut feed = Feed(Sha256::new());
        // All keys are text and the hasher takes everything: this cannot fail.
        if serde_json::to_writer(&mut feed, &header).is_err() {
            return String::new();
        }
        for step in &self.steps {
            feed.step(step);
        }
        format!("{:x}", feed.0.finalize())
    }
}

/// Feeds what a million arms say, without writing it as text first.
struct Feed(Sha256);

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Feed {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    /// The length in front keeps what follows apart.
    fn text(&mut self, text: &str) {
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.0.update(text);
    }

    fn instant(&mut self, unix_ms: Option<i64>) {
        self.0.update([u8::from(unix_ms.is_some())]);
        self.0.update(unix_ms.unwrap_or(0).to_be_bytes());
    }

    fn step(&mut self, step: &Step) {
        self.number(u64::from(step.number));
        self.text(&step.shard);
        self.text(&step.table);
        self.text(step.method.as_str());
        self.number(step.n_due);
        self.number(u64::try_from(step.arms.len()).unwrap_or(u64::MAX));
        for arm in &step.arms {
            self.arm(arm);
        }
    }

    fn arm(&mut self, arm: &Arm) {
        self.text(&arm.workspace);
        let names: &[Arc<str>] = match &arm.projects {
            Projects::Only(project) => std::slice::from_ref(project),
            Projects::Except(projects) => projects,
        };
        self.0.update([u8::from(arm.project().is_some())]);
        self.number(u64::try_from(names.len()).unwrap_or(u64::MAX));
        for name in names {
            self.text(name);
        }
        self.instant(Some(arm.bounds.below_ms));
        self.instant(arm.bounds.from_ms);
        self.instant(arm.rule.and_then(|rule| i64::try_from(rule).ok()));
        for number in [
            arm.n_due,
            arm.n_kept,
            u64::from(arm.piece),
            u64::from(arm.lag_s),
        ] {
            self.number(number);
        }
    }
}
