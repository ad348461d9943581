//! The digest of a plan: whoever approved it approved exactly this.

use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Arm, Backfill, Basis, ByHand, Deferred, Extent, Plan, PlannedRule, PlannedTarget, Projects,
    Step, TablePlan, TableRows, Unprobed,
};
use crate::cutoff::Bounds;
use crate::guard::PauseScope;
use crate::slot::SlotRange;
use crate::target::TargetChange;

/// Everything but the steps. What the plan was refused for is a conclusion from it.
#[derive(Serialize)]
struct Header<'a> {
    as_of: Timestamp,
    made_at: Timestamp,
    day: &'a str,
    rules_digest: &'a str,
    directory_digest: &'a str,
    revision: u64,
    basis: Basis,
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<&'a Backfill>,
    needs_base: bool,
    base_revision: Option<u64>,
    slot: Option<SlotRange>,
    tables: &'a [TablePlan],
    rules: &'a [PlannedRule],
    targets: &'a [PlannedTarget],
    waiting: &'a [TableRows],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    target_changes: &'a [TargetChange],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    deferred: &'a [Deferred],
    held: &'a [TableRows],
    paused: &'a [TableRows],
    holds: &'a [u64],
    active_holds: &'a [u64],
    pauses: &'a [PauseScope],
    unprobed: &'a [Unprobed],
    by_hand: &'a [ByHand],
}

impl Plan {
    /// SHA-256 over everything that the plan would do and was made from: revision, rules, base,
    /// holds, pauses, targets, cutoffs, counts, steps.
    pub fn computed_digest(&self) -> String {
        let header = Header {
            as_of: self.as_of,
            made_at: self.made_at,
            day: &self.day,
            rules_digest: &self.rules_digest,
            directory_digest: &self.directory_digest,
            revision: self.revision,
            basis: self.basis,
            backfill: self.backfill.as_ref(),
            needs_base: self.needs_base,
            base_revision: self.base_revision,
            slot: self.slot,
            tables: &self.tables,
            rules: &self.rules,
            targets: &self.targets,
            waiting: &self.waiting,
            target_changes: &self.target_changes,
            deferred: &self.deferred,
            held: &self.held,
            paused: &self.paused,
            holds: &self.holds,
            active_holds: &self.active_holds,
            pauses: &self.pauses,
            unprobed: &self.unprobed,
            by_hand: &self.by_hand,
        };
        let mut feed = Feed::new();
        // All keys are text and the hasher takes everything: this cannot fail.
        if serde_json::to_writer(&mut feed, &header).is_err() {
            return String::new();
        }
        for step in &self.steps {
            feed.step(step);
        }
        feed.finish()
    }
}

/// SHA-256 over the organizations of the workspaces that the steps delete from, in hexadecimal.
pub(crate) fn directory_digest<'o>(
    steps: &[Step],
    organization_of: impl Fn(&str) -> Option<&'o Arc<str>>,
) -> String {
    let mut feed = Feed::new();
    let mut last = None;
    for arm in steps.iter().flat_map(|step| &step.arms) {
        // Neighbours often are of one workspace.
        if last == Some(&arm.workspace) {
            continue;
        }
        last = Some(&arm.workspace);
        let organization = organization_of(&arm.workspace);
        feed.text(&arm.workspace);
        feed.number(u64::from(organization.is_some()));
        feed.text(organization.map_or("", |name| name));
        feed.hash_batch();
    }
    feed.finish()
}

/// Feeds what a million arms say, without writing it as text first. Numbers are as short as they
/// can be, and many are hashed at once: the hash is most of the work.
struct Feed {
    hasher: Sha256,
    buffer: Vec<u8>,
}

/// Bytes that are hashed at once.
const BATCH: usize = 64 * 1024;

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.hash_batch();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Feed {
    fn new() -> Self {
        Self {
            hasher: Sha256::new(),
            buffer: Vec::with_capacity(2 * BATCH),
        }
    }

    /// Hashes what there is, if it is enough to be worth it.
    fn hash_batch(&mut self) {
        if self.buffer.len() >= BATCH {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    fn finish(mut self) -> String {
        self.hasher.update(&self.buffer);
        format!("{:x}", self.hasher.finalize())
    }

    /// Seven bits a byte, the last one without the eighth.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            let [low, ..] = number.to_le_bytes();
            self.buffer.push(low | 0x80);
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        self.buffer.push(low);
    }

    /// The length in front keeps what follows apart.
    fn text(&mut self, text: &str) {
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, number: Option<u64>) {
        self.buffer.push(u8::from(number.is_some()));
        self.number(number.unwrap_or(0));
    }

    fn bounds(&mut self, bounds: Bounds) {
        let bits = |ms: i64| u64::from_ne_bytes(ms.to_ne_bytes());
        self.number(bits(bounds.below_ms));
        self.optional(bounds.from_ms.map(bits));
    }

    fn extent(&mut self, extent: Extent) {
        self.optional(extent.n_bytes);
        for instant in [extent.oldest, extent.newest] {
            self.text(&instant.map_or_else(String::new, |at| at.to_string()));
        }
    }

    fn step(&mut self, step: &Step) {
        self.number(u64::from(step.number));
        self.text(&step.shard);
        self.text(&step.table);
        self.text(step.method.as_str());
        self.number(u64::try_from(step.partitions.len()).unwrap_or(u64::MAX));
        for partition in &step.partitions {
            self.text(partition);
        }
        self.number(step.n_parts);
        self.text(&step.reason);
        // The second bit says that more numbers follow, which plans of older versions do not have.
        let (whole, known) = (step.expired.is_some(), !step.extent.is_unknown());
        self.buffer.push(u8::from(whole) | u8::from(known) << 1);
        if let Some(expired) = step.expired {
            self.bounds(expired);
        }
        if known {
            self.extent(step.extent);
        }
        self.number(step.n_due);
        self.number(u64::try_from(step.arms.len()).unwrap_or(u64::MAX));
        for arm in &step.arms {
            self.arm(arm);
            self.hash_batch();
        }
    }

    fn arm(&mut self, arm: &Arm) {
        self.text(&arm.workspace);
        let names: &[Arc<str>] = match &arm.projects {
            Projects::Only(project) => std::slice::from_ref(project),
            Projects::Except(projects) => projects,
        };
        // The second bit says that one more interval follows at the end, the third a number after it:
        // plans of older versions have none.
        let (one, cut) = (arm.project().is_some(), arm.cut_from.is_some());
        let least = arm.least_lag_s.is_some();
        self.buffer
            .push(u8::from(one) | u8::from(cut) << 1 | u8::from(least) << 2);
        self.number(u64::try_from(names.len()).unwrap_or(u64::MAX));
        for name in names {
            self.text(name);
        }
        self.bounds(arm.bounds);
        self.optional(arm.rule);
        for number in [
            arm.n_due,
            arm.n_kept,
            u64::from(arm.piece),
            u64::from(arm.lag_s),
        ] {
            self.number(number);
        }
        if let Some(whole) = arm.cut_from {
            self.bounds(whole);
        }
        if let Some(least_lag_s) = arm.least_lag_s {
            self.number(u64::from(least_lag_s));
        }
    }
}
