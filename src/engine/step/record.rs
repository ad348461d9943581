//! What the ledger hears of a step: the intent before the effect, the outcome after it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Part;
use crate::compile::Statement;
use crate::cutoff::Bounds;
use crate::engine::renew::Renewed;
use crate::engine::{Engine, StepOutcomeKind, StepReport};
use crate::ledger::{StepIntent, StepOutcome};
use crate::plan::{Arm, Method};
use crate::rule::RuleId;
use crate::verify::Verdict;

impl Engine {
    pub(super) fn intent(
        &self,
        part: &Part<'_>,
        report: &StepReport,
        statement: &Statement,
        arms: &[Arm],
        renewed: Option<&Renewed>,
    ) -> StepIntent {
        let Part { cycle, step, .. } = *part;
        let digest = Sha256::digest(&statement.sql);
        StepIntent {
            cycle: cycle.id.clone(),
            step: step.number,
            shard: step.shard.to_string(),
            table: step.table.to_string(),
            method: step.method.as_str().into(),
            shape: statement.shape.as_str().into(),
            query_id: report.query_id.clone().unwrap_or_default(),
            statement_digest: format!("{digest:x}"),
            n_workspaces: u64::try_from(report.n_arms).unwrap_or(u64::MAX),
            rows_due: report.n_due,
            n_parts: step.n_parts,
            predicate: statement.predicate(),
            bounds: bounds(part, renewed, arms),
            intended_at: self.clock.now(),
        }
    }

    pub(super) fn outcome(&self, part: &Part<'_>, report: &StepReport) -> StepOutcome {
        let (verdict, rows_left, error) = match &report.outcome {
            StepOutcomeKind::Applied(verdict) => {
                let left = match verdict {
                    Verdict::Verified => Some(0),
                    Verdict::Incomplete { n_left } => Some(*n_left),
                    Verdict::Unknown => None,
                };
                (verdict.as_str(), left, None)
            }
            StepOutcomeKind::Failed {
                recorded, n_left, ..
            } => ("failed", *n_left, Some(recorded.clone())),
            StepOutcomeKind::Skipped { reason } => ("failed", None, Some(reason.clone())),
        };
        StepOutcome {
            cycle: part.cycle.id.clone(),
            step: part.step.number,
            verdict: verdict.into(),
            rows_left,
            error,
            duration_ms: u64::try_from(report.statement.as_millis()).unwrap_or(u64::MAX),
            finished_at: self.clock.now(),
        }
    }
}

/// Policies of a step with the same rule and interval.
#[derive(Serialize)]
struct BoundsLine<'a> {
    rule: Option<RuleId>,
    retention: Option<Cow<'a, str>>,
    cutoff: Timestamp,
    from: Option<Timestamp>,
    n_policies: u64,
    n_due: u64,
    /// Those that go as a whole.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    partitions: &'a [Arc<str>],
}

/// The rules and cutoffs of a step as JSON.
fn bounds(part: &Part<'_>, renewed: Option<&Renewed>, arms: &[Arm]) -> String {
    let Part { cycle, step, .. } = *part;
    let mut sums: BTreeMap<(Option<RuleId>, Bounds), (u64, u64)> = BTreeMap::new();
    if let Some(expired) = step.expired {
        // What everybody's policies have in common; it is no single rule's.
        sums.insert((None, expired), (0, step.n_due));
    }
    for arm in arms {
        let (n_policies, n_due) = sums.entry((arm.rule, arm.bounds)).or_default();
        *n_policies += 1;
        *n_due += arm.n_due;
    }
    let partitions = match step.method {
        Method::Partition => &*step.partitions,
        Method::Lightweight | Method::Patch => &[],
    };
    let instant = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    let line = |((rule, bounds), (n_policies, n_due)): (_, _)| {
        let (rule, bounds): (Option<RuleId>, Bounds) = (rule, bounds);
        let planned = cycle.plan.rules.iter().find(|planned| planned.rule == rule);
        // A rule of the same meaning may have taken its place.
        let retention = planned
            .map(|planned| planned.retention.as_str().into())
            .or_else(|| Some(renewed?.retention(rule?)?.into()));
        BoundsLine {
            rule,
            retention,
            cutoff: instant(bounds.below_ms),
            from: bounds.from_ms.map(instant),
            n_policies,
            n_due,
            partitions,
        }
    };
    let lines: Vec<BoundsLine<'_>> = sums.into_iter().map(line).collect();
    serde_json::to_string(&lines).unwrap_or_default()
}
