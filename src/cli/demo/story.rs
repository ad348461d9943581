//! The demo on paper: numbered chapters, short sentences, tables.

use std::io;

use super::checks::{Check, TableChange};
use super::database::TableSize;
use crate::cli::Output;
use crate::cli::output::{counted, grouped, table};
use crate::ledger::RuleRecord;
use crate::rule::Scope;

/// Lines of a statement are shown up to so many characters.
const MAX_LINE: usize = 100;

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
        let (scope, name) = match &record.rule.scope {
            Scope::Organization(name) => ("organization", name.to_string()),
            Scope::Workspace(name) => ("workspace", name.to_string()),
            // An id of 36 characters is told apart by its beginning.
            Scope::Project { workspace, project } => {
                let project: String = project.chars().take(8).collect();
                ("project", format!("{project}… of {workspace}"))
            }
        };
        [
            record.id.to_string(),
            scope.to_owned(),
            name,
            record.rule.retention.clone(),
            purpose(record).to_owned(),
        ]
    });
    table(
        ["rule", "scope", "name", "retention", "what it is for"],
        &[0],
        rows,
    )
}

fn purpose(record: &RuleRecord) -> &'static str {
    let rule = &record.rule;
    match (&rule.scope, rule.retention.as_str(), rule.apply_to_past) {
        (_, _, false) => "rows from before the rule stay",
        (Scope::Organization(_), ..) => "all its workspaces, where no narrower rule wins",
        (Scope::Workspace(_), "unlimited", _) => "keeps everything, whatever its organization says",
        (Scope::Workspace(_), ..) => "a length of its own",
        (Scope::Project { .. }, "unlimited", _) => "kept for ever, in a workspace that is not",
        (Scope::Project { .. }, ..) => "this project alone; the others follow their workspace",
    }
}

/// A statement with long lines cut in their middle.
pub(super) fn shortened(sql: &str) -> String {
    let lines = sql.lines().map(|line| {
        let n = line.chars().count();
        if n <= MAX_LINE {
            return format!("  {line}");
        }
        let (n_head, n_tail) = (MAX_LINE - 40, 15);
        let head: String = line.chars().take(n_head).collect();
        let tail: String = line.chars().skip(n - n_tail).collect();
        format!(
            "  {head} … ({} characters) … {tail}",
            grouped_len(n - n_head - n_tail)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
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
    fn a_long_line_is_cut_in_its_middle_and_a_short_one_is_not() {
        let long = format!("{}é{}", "a".repeat(60), "z".repeat(200));
        let text = shortened(&format!("SELECT 1\n{long}"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "  SELECT 1");
        assert_eq!(
            lines[1],
            format!(
                "  {} … (186 characters) … {}",
                "a".repeat(60),
                "z".repeat(15)
            )
        );
    }
}
