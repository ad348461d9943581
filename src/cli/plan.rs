//! `ebbtide plan`: what a cycle would delete, and how; read-only.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::context::parse_instant;
use super::left::{by_hand, left_out};
use super::output::{counted, grouped, table};
use super::run::waits_for_the_first_approval;
use super::{Context, Exit, Output, progress};
use crate::compile::{Statement, compile_step};
use crate::engine::{Engine, PlanRequest};
use crate::plan::{ASKED, Basis, Method, Plan, PlannedRule, Step, TablePlan};
use crate::rule::RuleId;
use crate::warehouse::marker;

/// Show what a cycle would delete, and how; read-only.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Plan as if it were this instant or day.
    #[arg(long, value_name = "T")]
    pub as_of: Option<String>,
    /// Plan by the rules of now, approved or not, and write the plan as JSON to this file, for review
    /// and for `apply`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the statements too.
    #[arg(long)]
    pub sql: bool,
}

/// A plan with its statements.
#[derive(Serialize)]
struct PlanView<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<StatementView>,
}

/// The statement of a step.
#[derive(Serialize)]
pub(super) struct StatementView {
    pub(super) step: u32,
    pub(super) method: Method,
    pub(super) reason: Arc<str>,
    #[serde(flatten)]
    pub(super) statement: Statement,
}

pub(super) async fn run(
    args: &PlanArgs,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let as_of = args.as_of.as_deref().map(parse_instant).transpose()?;
    let config = context.config()?;
    let engine = context.engine(&config).await?;
    // What is written is there to be looked at, and to be approved.
    let basis = if args.out.is_some() {
        Basis::Proposed
    } else {
        Basis::Effective
    };
    let request = PlanRequest {
        as_of,
        basis,
        with_totals: true,
        ..PlanRequest::default()
    };
    let plan = engine.plan(&request).await?;
    let statements = if args.sql {
        statements(&engine, &plan).await?
    } else {
        Vec::new()
    };
    let view = PlanView {
        plan: &plan,
        statements,
    };
    if let Some(file) = &args.out {
        std::fs::write(file, serde_json::to_string_pretty(&view)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let shown = file.display();
        progress::say(&format!(
            "wrote {shown}; `ebbtide apply {shown}` approves it and executes exactly this plan"
        ));
    }
    output.result(&view, |view| {
        let mut text = describe(view.plan);
        for statement in &view.statements {
            let shape = statement.statement.shape.as_str();
            text.push_str(&format!(
                "\n\n-- step {}, {}, shape {shape}: {}\n{};",
                statement.step,
                statement.method.as_str(),
                statement.reason,
                statement.statement.sql
            ));
        }
        text
    })?;
    Ok(exit_of(&plan))
}

/// The statements of a plan, in order.
pub(super) async fn statements(engine: &Engine, plan: &Plan) -> anyhow::Result<Vec<StatementView>> {
    let mut statements = Vec::new();
    for (step, target) in engine.targets_of(plan).await? {
        let marker = marker(&step.table, &format!("<cycle>-{}", step.number));
        let statement = compile_step(&target, step, &step.arms, &marker);
        statements.push(StatementView {
            step: step.number,
            method: step.method,
            reason: Arc::clone(&step.reason),
            statement,
        });
    }
    Ok(statements)
}

/// How the process ends after a plan that was not executed.
pub(super) fn exit_of(plan: &Plan) -> Exit {
    if !plan.refusals.is_empty() || waits_for_the_first_approval(plan) {
        Exit::Refused
    } else if !plan.unprobed.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Done
    }
}

/// A plan for people: per table what is there, per rule what goes, and what is left alone.
pub(super) fn describe(plan: &Plan) -> String {
    let mut text = overview(plan);
    let left_out = left_out(plan);
    if plan.steps.is_empty() {
        text.push_str(if !left_out.is_empty() {
            "\nno statement will be sent\n"
        } else if plan.unprobed.is_empty() {
            "\nnothing is due: no statement will be sent\n"
        } else {
            "\nno statement will be sent: nothing is due where that is known\n"
        });
    } else {
        text.push_str(&by_rule(plan));
    }
    let unreadable: u64 = plan
        .tables
        .iter()
        .filter_map(|table| table.totals.n_unreadable)
        .sum();
    if unreadable > 0 {
        text.push_str(&format!(
            "\n{} stay: their workspace is NULL or no UTF-8, so no rule can mean them\n",
            counted(unreadable, "row")
        ));
    }
    if !plan.by_hand.is_empty() {
        text.push_str(&format!("\n{}", by_hand(plan)));
    }
    for unprobed in &plan.unprobed {
        let table = unprobed.table.as_deref().unwrap_or("every table");
        text.push_str(&format!(
            "\nleft alone: {table} on {}: {}\n",
            unprobed.shard, unprobed.reason
        ));
    }
    if !left_out.is_empty() {
        text.push_str(&format!("\n{left_out}"));
    }
    for refusal in &plan.refusals {
        text.push_str(&format!("\nrefused: {refusal}\n"));
    }
    text.trim_end().to_owned()
}

/// What only a look at the whole table tells; a cycle needs none.
fn if_counted(number: Option<u64>) -> String {
    number.map_or_else(|| "–".into(), grouped)
}

/// Per table what is there, and how much of it goes.
pub(super) fn overview(plan: &Plan) -> String {
    let review = match (&plan.backfill, plan.basis) {
        (Some(backfill), _) => format!("a backfill, whatever the rules say: {backfill}\n"),
        (None, Basis::Effective) => String::new(),
        (None, Basis::Proposed) => format!(
            "for review: by the rules of now, revision {}, approved or not\n",
            plan.revision
        ),
    };
    let mut text = format!(
        "{review}as of {} (cutoffs are whole UTC days before {})\n\n",
        plan.as_of, plan.day
    );
    let rows = plan.tables.iter().map(|table| {
        [
            name(plan, &table.shard, &table.table),
            if_counted(table.totals.n_workspaces),
            grouped(table.totals.n_rows),
            grouped(table.n_due),
            grouped(table.n_kept),
            if_counted(table.totals.n_undatable),
            if_counted(table.totals.n_future),
            plan.steps
                .iter()
                .filter(|step| is_of(step, &table.shard, &table.table))
                .count()
                .to_string(),
        ]
    });
    text.push_str(&table(
        [
            "table",
            "workspaces",
            "rows",
            "due",
            "kept",
            "undatable",
            "future",
            "statements",
        ],
        &[1, 2, 3, 4, 5, 6, 7],
        rows,
    ));
    text.push('\n');
    text
}

/// The name of a table, with its shard if there are several.
pub(super) fn name(plan: &Plan, shard: &str, table: &str) -> String {
    let first = plan.tables.first();
    let is_of_first = |table: &TablePlan| Some(&table.shard) == first.map(|first| &first.shard);
    if plan.tables.iter().all(is_of_first) {
        table.to_owned()
    } else {
        format!("{table} on {shard}")
    }
}

fn is_of(step: &Step, shard: &str, table: &str) -> bool {
    *step.shard == *shard && *step.table == *table
}

/// Per table and rule: who, why, how many rows, and by which statements.
fn by_rule(plan: &Plan) -> String {
    #[derive(Default)]
    struct Sum {
        n_arms: u64,
        n_due: u64,
        n_kept: u64,
        steps: Vec<u32>,
    }
    let mut sums: Vec<((String, Option<RuleId>), Sum)> = Vec::new();
    let mut index: BTreeMap<(String, Option<RuleId>), usize> = BTreeMap::new();
    for step in &plan.steps {
        for arm in &step.arms {
            let key = (name(plan, &step.shard, &step.table), arm.rule);
            let at = *index.entry(key.clone()).or_insert_with(|| {
                sums.push((key, Sum::default()));
                sums.len() - 1
            });
            let Some((_, sum)) = sums.get_mut(at) else {
                continue;
            };
            sum.n_arms += 1;
            sum.n_due += arm.n_due;
            sum.n_kept += arm.n_kept;
            if sum.steps.last() != Some(&step.number) {
                sum.steps.push(step.number);
            }
        }
    }
    let rule = |id: Option<RuleId>| plan.rules.iter().find(|rule| rule.rule == id);
    let rows = sums.into_iter().map(|((table, id), sum)| {
        [
            table,
            id.filter(|id| *id != ASKED)
                .map_or_else(|| "-".into(), |id| id.to_string()),
            rule(id).map_or_else(String::new, why),
            grouped(sum.n_arms),
            grouped(sum.n_due),
            grouped(sum.n_kept),
            sum.steps
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ]
    });
    let mut text = String::from("\nwhat goes, and by which rule\n");
    text.push_str(&table(
        [
            "table", "rule", "because", "policies", "due", "kept", "steps",
        ],
        &[1, 3, 4, 5],
        rows,
    ));
    text.push('\n');
    text.push_str(&by_step(plan));
    text
}

/// How each step deletes, and why so.
fn by_step(plan: &Plan) -> String {
    let mut text = String::from("\nhow\n");
    let rows = plan.steps.iter().map(|step| {
        [
            step.number.to_string(),
            name(plan, &step.shard, &step.table),
            step.method.as_str().to_owned(),
            grouped(step.n_due),
            step.reason.to_string(),
        ]
    });
    text.push_str(&table(
        ["step", "table", "method", "due", "why"],
        &[0, 3],
        rows,
    ));
    let total = plan.steps.iter().map(|step| step.n_due).sum();
    let n_steps = u64::try_from(plan.steps.len()).unwrap_or(u64::MAX);
    text.push_str(&format!(
        "\n\n{} in {}\n",
        counted(total, "row"),
        counted(n_steps, "statement")
    ));
    text
}

fn why(rule: &PlannedRule) -> String {
    let past = if rule.apply_to_past {
        ""
    } else {
        ", only rows from its creation on"
    };
    format!("{}: {}{past}", rule.scope, rule.retention)
}
