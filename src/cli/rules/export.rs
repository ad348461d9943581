//! `ebbtide rules export`: streams, so that a million rules need no memory. As JSON it is a list of
//! the same rules, which `rules import` reads as well, since JSON is YAML.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};

use super::super::{Context, Exit, Output};
use crate::ledger::RuleRecord;
use crate::rule::Scope;

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let is_json = output.is_json();
    let mut sink = BufWriter::new(output.sink());
    let mut separator = if is_json { "[\n" } else { "" };
    let mut failed = None;
    ledger
        .each_rule(false, &mut |record| {
            let entry = if is_json {
                json(&record)
            } else {
                yaml(&record)
            };
            if failed.is_none() {
                failed = write!(sink, "{separator}{entry}").err();
            }
            if is_json {
                separator = ",\n";
            }
        })
        .await?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    match separator {
        ",\n" => writeln!(sink, "\n]")?,
        "[\n" => writeln!(sink, "[]")?,
        _ => {}
    }
    sink.flush()?;
    Ok(Exit::Done)
}

/// One rule in the format of `rules import`.
fn yaml(record: &RuleRecord) -> String {
    let fields = fields(record).map(|(key, value)| format!("{key}: {}", value.yaml()));
    format!("- {{{}}}\n", fields.collect::<Vec<_>>().join(", "))
}

/// The same as an element of a JSON list.
fn json(record: &RuleRecord) -> String {
    let fields = fields(record).map(|(key, value)| format!("\"{key}\": {}", value.json()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

enum Value<'r> {
    /// Arbitrary text.
    Name(&'r str),
    /// Text that needs no quotes in YAML.
    Word(String),
    False,
}

impl Value<'_> {
    fn yaml(&self) -> String {
        match self {
            Self::Name(name) => quoted(name),
            Self::Word(word) => word.clone(),
            Self::False => "false".into(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Word(word) => quoted(word),
            other => other.yaml(),
        }
    }
}

fn fields(record: &RuleRecord) -> impl Iterator<Item = (&'static str, Value<'_>)> {
    let rule = &record.rule;
    let (first, second) = match &rule.scope {
        Scope::Organization(name) => (("organization", Value::Name(name)), None),
        Scope::Workspace(name) => (("workspace", Value::Name(name)), None),
        Scope::Project { workspace, project } => (
            ("workspace", Value::Name(workspace)),
            Some(("project", Value::Name(project))),
        ),
    };
    let past = (!rule.apply_to_past).then_some(("apply_to_past", Value::False));
    let retention = ("retention", retention(&rule.retention));
    let created_at = ("created_at", Value::Word(rule.created_at.to_string()));
    [Some(first), second, Some(retention), past, Some(created_at)]
        .into_iter()
        .flatten()
}

/// The name of a period is arbitrary text, too.
fn retention(text: &str) -> Value<'_> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain && (text.ends_with('d') || text.contains('_')) {
        Value::Word(text.into())
    } else {
        Value::Name(text)
    }
}

/// A double-quoted scalar of YAML and of JSON; whatever is not plainly printable is escaped.
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
        fn what_is_exported_is_imported_alike(
            workspace: String,
            project: String,
            period in "base_60d|null|~|true|gold|a: b|- c|#d|\"e|\\PC{1,9}",
            past: bool,
        ) {
            let named = [(period.as_str(), Days::new(7).unwrap())];
            let Ok(periods) = Periods::new(named, Days::new(1).unwrap()) else {
                return Ok(());
            };
            let rule = NewRule {
                scope: Scope::Project { workspace: workspace.into(), project: project.into() },
                retention: period.clone(),
                apply_to_past: past,
                created_at: "2026-10-01T00:00:00.123456Z".parse().unwrap(),
            };
            let record =
                RuleRecord { id: 1, rule: rule.clone(), created_by: "me".into(), deactivated: None };
            let list = format!("[{}]", json(&record));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&list).is_ok(), "{}", list);
            for text in [yaml(&record), list] {
                let reader = RuleReader::new(text.as_bytes(), &periods);
                let read: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(read.len(), 1);
                prop_assert_eq!(&read[0].scope, &rule.scope);
                prop_assert_eq!(read[0].retention.to_string(), &*period);
                prop_assert_eq!(read[0].apply_to_past, past);
                prop_assert_eq!(read[0].created_at, Some(rule.created_at));
            }
        }
    }
}
