//! `ebbtide plan`: what a cycle would delete, and how; read-only.

mod text;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

pub(super) use self::text::{describe, name, overview};
use super::context::parse_instant;
use super::run::waits_for_the_first_approval;
use super::{Context, Exit, Output, progress};
use crate::compile::{Statement, compile_step};
use crate::engine::{Engine, PlanRequest};
use crate::plan::{Basis, Method, Plan};
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
