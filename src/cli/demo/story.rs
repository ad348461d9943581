//! The demo on paper: numbered chapters, short sentences, tables.

use std::collections::BTreeSet;
use std::io;

use super::checks::{Check, TableChange};
use super::database::TableSize;
use crate::cli::Output;
use crate::cli::output::{counted, grouped, table};
use crate::ledger::RuleRecord;
use crate::plan::Plan;
use crate::rule::Scope;

/// So many names of a list in a statement are shown.
const MAX_LISTED: usize = 2;
/// Lines of a statement are broken where they are longer.
const MAX_LINE: usize = 100;
/// What the rest of a broken line begins with.
const CONTINUED: &str = "        ";

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

/// A statement with its long lists of names cut short.
pub(super) fn shortened(sql: &str) -> String {
    let mut text = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find('\'') {
        let (before, literals) = rest.split_at(at);
        text.push_str(before);
        let (run, after) = run_of_literals(literals);
        if run.len() <= MAX_LISTED + 1 {
            text.push_str(&run.join(", "));
        } else {
            let n_more = run.len() - MAX_LISTED;
            let listed: Vec<_> = run.into_iter().take(MAX_LISTED).collect();
            text.push_str(&format!("{}, … {n_more} more", listed.join(", ")));
        }
        rest = after;
    }
    text.push_str(rest);
    text.lines().flat_map(broken).collect::<Vec<_>>().join("\n")
}

/// A line, broken before its conditions where it is too long: at the last that fits, or else at the
/// first there is.
fn broken(line: &str) -> Vec<String> {
    let mut lines = vec![format!("  {line}")];
    while let Some(last) = lines.last_mut()
        && let Some((limit, _)) = last.char_indices().nth(MAX_LINE)
    {
        let mut breaks: Vec<usize> = [" AND ", " WHERE "]
            .into_iter()
            .flat_map(|word| last.match_indices(word).map(|(at, _)| at))
            // What a continued line begins with is no place to break it again.
            .filter(|at| *at > CONTINUED.len())
            .collect();
        breaks.sort_unstable();
        let fitting = breaks.iter().rfind(|at| **at <= limit);
        let Some(at) = fitting.or(breaks.first()) else {
            break;
        };
        let rest = last.split_off(*at);
        lines.push(format!("{CONTINUED}{}", rest.trim_start()));
    }
    lines
}

/// The literals at the beginning of a text, `'a', 'b'`, and what follows them.
fn run_of_literals(text: &str) -> (Vec<&str>, &str) {
    let mut run = Vec::new();
    let mut rest = text;
    loop {
        let (literal, after) = rest.split_at(literal_len(rest));
        run.push(literal);
        match after.strip_prefix(", ") {
            Some(next) if next.starts_with('\'') => rest = next,
            _ => return (run, after),
        }
    }
}

/// Bytes of the literal that a text begins with, its quotes included.
fn literal_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
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

/// `1 statement`, and so on, for a number in memory.
pub(super) fn statements(n: usize) -> String {
    counted(u64::try_from(n).unwrap_or(u64::MAX), "statement")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_nothing_else_is_touched() {
        let sql = "w IN ('a', 'b\\'', 'c', 'd\\\\', 'e') AND id < 'x'\nAND p IN ('1', '2', '3')";
        assert_eq!(
            shortened(sql),
            "  w IN ('a', 'b\\'', … 3 more) AND id < 'x'\n  AND p IN ('1', '2', '3')"
        );
    }

    #[test]
    fn a_long_line_is_broken_before_a_condition() {
        let condition = format!("id < '{}'", "x".repeat(50));
        let lines = broken(&format!("WHERE {condition} AND {condition} AND a"));
        assert_eq!(
            lines,
            [
                format!("  WHERE {condition}"),
                format!("        AND {condition} AND a")
            ]
        );
        let unbreakable = "x".repeat(300);
        assert_eq!(broken(&unbreakable), [format!("  {unbreakable}")]);
    }
}
