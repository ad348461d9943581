//! The demo on paper: numbered chapters, short sentences, tables.

use std::collections::BTreeSet;
use std::io;

use super::checks::{Check, TableChange};
use super::database::TableSize;
use super::report::DemoReport;
use crate::cli::Output;
use crate::cli::output::{counted, grouped, table};
use crate::ledger::RuleRecord;
use crate::plan::Plan;
use crate::rule::Scope;

/// Tells people; programs get their document at the end.
pub(super) struct Story<'o> {
    pub(super) output: &'o mut Output,
    n_chapters: u32,
}

impl<'o> Story<'o> {
    pub(super) fn new(output: &'o mut Output) -> Self {
        Self {
            output,
            n_chapters: 0,
        }
    }

    pub(super) fn chapter(&mut self, title: &str) -> io::Result<()> {
        self.n_chapters += 1;
        let heading = format!("{}. {title}", self.n_chapters);
        let line = "═".repeat(heading.chars().count());
        self.output.say(&format!("\n{heading}\n{line}"))
    }

    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.output.say(text)
    }
}

/// What is in each table.
pub(super) fn tables(sizes: &[TableSize]) -> String {
    let rows = sizes.iter().map(|size| {
        [
            size.table.clone(),
            grouped(size.n_rows),
            grouped(size.n_workspaces),
            format!("{} MiB", grouped(size.bytes_on_disk.div_ceil(1 << 20))),
        ]
    });
    table(["table", "rows", "workspaces", "on disk"], &[1, 2, 3], rows)
}

/// The rules, and what each is there to show.
pub(super) fn rules(records: &[RuleRecord]) -> String {
    let rows = records.iter().map(|record| {
        let (scope, name) = scope_and_name(record);
        [
            record.id.to_string(),
            format!("{scope} {name}"),
            record.rule.retention.clone(),
            purpose(record).to_owned(),
        ]
    });
    table(["rule", "who", "keeps", "what it is for"], &[0], rows)
}

fn scope_and_name(record: &RuleRecord) -> (&'static str, String) {
    let scope = &record.rule.scope;
    let name = match scope {
        Scope::Organization(name) | Scope::Workspace(name) => name.to_string(),
        // An id of 36 characters is told apart by its beginning.
        Scope::Project { workspace, project } => {
            let project: String = project.chars().take(8).collect();
            format!("{project}… of {workspace}")
        }
    };
    (scope.kind(), name)
}

fn purpose(record: &RuleRecord) -> &'static str {
    let rule = &record.rule;
    match (&rule.scope, rule.retention.as_str(), rule.apply_to_past) {
        (_, _, false) => "rows from before the rule stay",
        (Scope::Organization(_), ..) => "its workspaces without a rule of their own",
        (Scope::Workspace(_), "unlimited", _) => "keeps everything, its organization does not",
        (Scope::Workspace(_), ..) => "a length of its own",
        (Scope::Project { .. }, "unlimited", _) => "keeps everything, its workspace does not",
        (Scope::Project { .. }, ..) => "this project alone, not its workspace",
    }
}

/// Who loses how many rows, and by which rule; rules that keep everything have a line too.
pub(super) fn due_by_rule(plan: &Plan, records: &[RuleRecord]) -> String {
    let rows = records.iter().map(|record| {
        let arms = |part: &'static str| {
            let steps = plan
                .steps
                .iter()
                .filter(move |step| step.table.contains(part));
            steps
                .flat_map(|step| &step.arms)
                .filter(|arm| arm.rule == Some(record.id))
        };
        let due = |part: &'static str| grouped(arms(part).map(|arm| arm.n_due).sum());
        let workspaces: BTreeSet<_> = arms("").map(|arm| &arm.workspace).collect();
        let (scope, name) = scope_and_name(record);
        [
            record.id.to_string(),
            format!("{scope} {name}"),
            record.rule.retention.clone(),
            grouped_len(workspaces.len()),
            due("traces"),
            due("spans"),
            due("scores"),
            due("comments"),
        ]
    });
    let header = [
        "rule", "who", "keeps", "policies", "traces", "spans", "scores", "comments",
    ];
    table(header, &[0, 3, 4, 5, 6, 7], rows)
}

fn grouped_len(n: usize) -> String {
    grouped(u64::try_from(n).unwrap_or(u64::MAX))
}

/// The verdict of each check.
pub(super) fn checks(checks: &[Check]) -> String {
    let lines = checks.iter().map(|check| {
        let word = if check.ok { "ok   " } else { "WRONG" };
        format!("  {word}  {}", check.what)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Tables before and after.
pub(super) fn changes(changes: &[TableChange]) -> String {
    let rows = changes.iter().map(|change| {
        [
            change.table.clone(),
            grouped(change.n_before),
            grouped(change.n_deleted),
            grouped(change.n_after),
        ]
    });
    table(["table", "before", "deleted", "after"], &[1, 2, 3], rows)
}

/// How it ended, and what to try next.
pub(super) fn ending(report: &DemoReport) -> String {
    let mut text = format!("\nDone in {:.0} s. ", report.seconds);
    if !report.ok {
        let wrong = report.checks.iter().filter(|check| !check.ok);
        let wrong: Vec<_> = wrong
            .map(|check| format!("  WRONG  {}", check.what))
            .collect();
        text.push_str("Not everything is as promised:\n");
        text.push_str(&wrong.join("\n"));
        text.push('\n');
    }
    match &report.directory {
        Some(directory) => text.push_str(&format!(
            "Everything is still there. To look around:\n\n\
             \x20 cd {}\n\
             \x20 ebbtide clickhouse --path clickhouse     # in a terminal of its own\n",
            directory.display()
        )),
        None => text.push_str(
            "Nothing of it is left. To try it yourself, where config.yml is:\n\n\
             \x20 ebbtide clickhouse --sample              # in a terminal of its own\n\
             \x20 ebbtide migrate\n\
             \x20 ebbtide workspaces import fixtures/workspaces.csv\n\
             \x20 ebbtide rules import fixtures/rules.yml\n",
        ),
    }
    text.push_str(
        "\x20 ebbtide explain --workspace acme-017     # what holds for it, and why\n\
         \x20 ebbtide rules add --workspace acme-003 --retention 7d\n\
         \x20 ebbtide plan --out plan.json             # what that would delete, and why\n\
         \x20 ebbtide apply plan.json                  # do it\n\
         \x20 ebbtide doctor                           # your own config.yml against your servers",
    );
    text
}

/// `1 statement`, and so on, for a number in memory.
pub(super) fn statements(n: usize) -> String {
    counted(u64::try_from(n).unwrap_or(u64::MAX), "statement")
}
