//! `ebbtide history`: what was done, by whom, from which rules, and how it ended.

mod text;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Context, Exit, Output};
use crate::ledger::{CycleRecord, Ledger, StepIntent, StepRecord};
use crate::plan::Method;
use crate::slot::SlotRange;

/// Cycles are read in pages of so many.
const PAGE: u32 = 100;

/// Show what was done: cycles and their steps.
#[derive(Debug, Args)]
pub struct History {
    /// So many cycles, the latest first.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only this cycle, with all its particulars.
    #[arg(long, value_name = "ID", conflicts_with = "limit")]
    pub cycle: Option<String>,
    /// Only cycles with a step of this table, and only these steps.
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    pub table: Option<String>,
}

/// A cycle as it is printed.
#[derive(Debug, Serialize)]
struct CycleView {
    cycle: String,
    /// What began it: `slot`, `run`, `apply`, `backfill` or `reclaim`.
    kind: String,
    holder: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// `done`, `failed`, `refused`, …; nothing if its process died.
    status: Option<String>,
    /// The instant that its cutoffs are made from.
    as_of: Timestamp,
    revision: u64,
    rules_digest: String,
    plan_digest: String,
    slot: Option<SlotView>,
    /// What a backfill was asked for, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Value>,
    steps: Vec<StepView>,
}

/// The slot that a cycle was for.
#[derive(Debug, Serialize)]
struct SlotView {
    day: String,
    #[serde(flatten)]
    range: SlotRange,
}

/// A step as it is printed.
#[derive(Debug, Serialize)]
struct StepView {
    step: u32,
    shard: String,
    table: String,
    method: String,
    /// What it does to rows: `mask`, `drop`, `move` or `rewrite`.
    effect: &'static str,
    shape: String,
    n_workspaces: u64,
    rows_before: u64,
    rows_after: Option<u64>,
    /// Nothing if the outcome was never recorded.
    verdict: Option<String>,
    error: Option<String>,
    intended_at: Timestamp,
    finished_at: Option<Timestamp>,
    duration_ms: Option<u64>,
    query_id: String,
    statement_digest: String,
    predicate: String,
    bounds: Value,
}

impl CycleView {
    fn new(record: CycleRecord, steps: Vec<StepRecord>) -> Self {
        let start = record.start;
        let (ended_at, status) = record.end.unzip();
        Self {
            cycle: start.id,
            kind: start.kind,
            holder: start.holder,
            started_at: start.started_at,
            ended_at,
            status,
            as_of: start.as_of,
            revision: start.revision,
            rules_digest: start.rules_digest,
            plan_digest: start.plan_digest,
            slot: start.slot.map(|(day, range)| SlotView { day, range }),
            // An edited one is shown as it is.
            asked: start
                .asked
                .map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            steps: steps.into_iter().map(StepView::from).collect(),
        }
    }
}

impl From<StepRecord> for StepView {
    fn from(record: StepRecord) -> Self {
        let StepRecord { intent, outcome } = record;
        let outcome = outcome.as_ref();
        Self {
            effect: effect(&intent),
            step: intent.step,
            shard: intent.shard,
            table: intent.table,
            method: intent.method,
            shape: intent.shape,
            n_workspaces: intent.n_workspaces,
            rows_before: intent.rows_due,
            rows_after: outcome.and_then(|outcome| outcome.rows_left),
            verdict: outcome.map(|outcome| outcome.verdict.clone()),
            error: outcome.and_then(|outcome| outcome.error.clone()),
            intended_at: intent.intended_at,
            finished_at: outcome.map(|outcome| outcome.finished_at),
            duration_ms: outcome.map(|outcome| outcome.duration_ms),
            query_id: intent.query_id,
            statement_digest: intent.statement_digest,
            predicate: intent.predicate,
            bounds: serde_json::from_str(&intent.bounds).unwrap_or(Value::Null),
        }
    }
}

/// What a step does to rows. Whole partitions are dropped, or moved to quarantine.
pub(super) fn effect(intent: &StepIntent) -> &'static str {
    let is_whole = intent.method == Method::Partition.as_str();
    match &*intent.method {
        _ if is_whole && intent.predicate.starts_with("MOVE ") => "move",
        _ if is_whole => "drop",
        "reclaim" => "rewrite",
        _ => "mask",
    }
}

pub(super) async fn run(
    args: &History,
    verbose: u8,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let cycles = match &args.cycle {
        Some(id) => vec![one(&*ledger, id, args.table.as_deref()).await?],
        None => latest(&*ledger, args.limit, args.table.as_deref()).await?,
    };
    let in_full = args.cycle.is_some() || verbose > 0;
    output.result(&cycles, |cycles| text::describe(cycles, in_full))?;
    Ok(Exit::Done)
}

async fn one(ledger: &dyn Ledger, id: &str, table: Option<&str>) -> anyhow::Result<CycleView> {
    let Some(record) = ledger.cycle(id).await? else {
        bail!("there is no cycle {id}; `ebbtide history` shows the latest");
    };
    let steps = steps(ledger, id, table).await?;
    Ok(CycleView::new(record, steps))
}

async fn latest(
    ledger: &dyn Ledger,
    limit: u32,
    table: Option<&str>,
) -> anyhow::Result<Vec<CycleView>> {
    let limit = usize::try_from(limit)?;
    let mut found: Vec<CycleView> = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = ledger.cycles_before(before.as_deref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        before = Some(last.start.id.clone());
        for record in page {
            if found.len() == limit {
                return Ok(found);
            }
            let steps = steps(ledger, &record.start.id, table).await?;
            if table.is_none() || !steps.is_empty() {
                found.push(CycleView::new(record, steps));
            }
        }
    }
}

async fn steps(
    ledger: &dyn Ledger,
    cycle: &str,
    table: Option<&str>,
) -> anyhow::Result<Vec<StepRecord>> {
    let mut steps = ledger.steps(cycle).await?;
    steps.retain(|step| table.is_none_or(|table| step.intent.table == table));
    Ok(steps)
}
