//! `ebbtide rules export`: streams, so that a million rules need no memory.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};

use super::super::{Context, Exit, Output};
use crate::ledger::RuleRecord;
use crate::rule::Scope;

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    // YAML is the format of this verb whatever --format says: its lines are JSON as well.
    let mut sink = BufWriter::new(output.sink());
    let mut failed = None;
    ledger
        .each_rule(false, &mut |record| {
            if failed.is_none() {
                failed = sink.write_all(entry(&record).as_bytes()).err();
            }
        })
        .await?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    sink.flush()?;
    Ok(Exit::Done)
}

/// One rule in the format of `rules import`.
fn entry(record: &RuleRecord) -> String {
    let rule = &record.rule;
    let mut line = String::from("- {");
    let mut field = |key: &str, value: &str| {
        let separator = if line.len() > 3 { ", " } else { "" };
        // Writing to a String cannot fail.
        write!(line, "{separator}{key}: {value}").unwrap_or_default();
    };
    match &rule.scope {
        Scope::Organization(name) => field("organization", &quoted(name)),
        Scope::Workspace(name) => field("workspace", &quoted(name)),
        Scope::Project { workspace, project } => {
            field("workspace", &quoted(workspace));
            field("project", &quoted(project));
        }
    }
    field("retention", &rule.retention);
    if !rule.apply_to_past {
        field("apply_to_past", "false");
    }
    field("created_at", &rule.created_at.to_string());
    line.push_str("}\n");
    line
}

/// A double-quoted YAML scalar; whatever is not plainly printable is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => {
                write!(quoted, "\\u{:04x}", u32::from(letter)).unwrap_or_default();
            }
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).unwrap_or_default();
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NewRule;
    use crate::rule::{Days, Periods, RuleReader};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_exported_is_imported_alike(workspace: String, project: String, past: bool) {
            let rule = NewRule {
                scope: Scope::Project { workspace: workspace.into(), project: project.into() },
                retention: "7d".into(),
                apply_to_past: past,
                created_at: "2026-10-01T00:00:00.123456Z".parse().unwrap(),
            };
            let record =
                RuleRecord { id: 1, rule: rule.clone(), created_by: "me".into(), deactivated: None };
            let periods = Periods::new::<&str>([], Days::new(1).unwrap()).unwrap();
            let yaml = entry(&record);
            let read: Vec<_> =
                RuleReader::new(yaml.as_bytes(), &periods).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].scope, &rule.scope);
            prop_assert_eq!(read[0].apply_to_past, past);
            prop_assert_eq!(read[0].created_at, Some(rule.created_at));
        }
    }
}
