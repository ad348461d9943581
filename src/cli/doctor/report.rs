//! Findings for people: by severity, then by code, each remedy once for those that share it.

use super::finding::{Finding, Severity};
use crate::cli::output::counted;

/// Where lines end, whatever the terminal: findings are copied into tickets.
const WIDTH: usize = 100;

pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for group in findings.chunk_by(|one, other| one.severity == other.severity) {
        let Some(first) = group.first() else { continue };
        text += &format!("{}\n", heading(first.severity, group.len()));
        for of_code in group.chunk_by(|one, other| one.code == other.code) {
            text += &section(of_code);
        }
        text.push('\n');
    }
    text + "docs/findings.md has a section for each of these names\n"
}

fn heading(severity: Severity, n_findings: usize) -> String {
    let n_findings = u64::try_from(n_findings).unwrap_or(u64::MAX);
    match severity {
        Severity::Error => counted(n_findings, "error"),
        Severity::Warning => counted(n_findings, "warning"),
        Severity::Info => counted(n_findings, "note"),
        Severity::Ok => format!("{n_findings} fine"),
    }
}

/// The findings of one code.
fn section(findings: &[Finding]) -> String {
    let Some(code) = findings.first().map(|first| first.code.as_str()) else {
        return String::new();
    };
    if let [only] = findings
        && only.remedy.is_none()
    {
        let subject = if only.subject == code {
            String::new()
        } else {
            format!("{}: ", only.subject)
        };
        return wrapped(2, 6, &format!("{code}: {subject}{}", only.message));
    }
    let mut text = format!("  {code}\n");
    for alike in findings.chunk_by(|one, other| one.remedy == other.remedy) {
        // Many subjects often share one message.
        for same in alike.chunk_by(|one, other| one.message == other.message) {
            let subjects: Vec<&str> = same.iter().map(|one| one.subject.as_str()).collect();
            let message = same.first().map_or("", |one| one.message.as_str());
            text += &wrapped(4, 6, &format!("{}: {message}", subjects.join(", ")));
        }
        let remedy = alike.first().and_then(|one| one.remedy.as_deref());
        if let Some(remedy) = remedy {
            text += &wrapped(4, 6, &format!("→ {remedy}"));
        }
    }
    text
}

/// Lines of at most [`WIDTH`] letters, the first indented by `first`, the others by `rest`.
fn wrapped(first: usize, rest: usize, text: &str) -> String {
    let mut lines = String::new();
    let mut line = " ".repeat(first);
    let mut n_words = 0;
    for word in text.split(' ') {
        if n_words > 0 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &format!("{line}\n");
            line = " ".repeat(rest);
            n_words = 0;
        }
        if n_words > 0 {
            line.push(' ');
        }
        line += word;
        n_words += 1;
    }
    lines + &format!("{line}\n")
}
