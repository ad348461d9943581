//! An explanation for people.

use super::{BaseLine, CutoffLine, Explanation, RuleLine};

pub(super) fn describe(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    let subject = match &explanation.project {
        Some(project) => format!(
            "project {project:?} of workspace {:?}",
            explanation.workspace
        ),
        None => format!("workspace {:?}", explanation.workspace),
    };
    lines.push(subject);
    lines.push(match &explanation.organization {
        Some(name) => format!("  organization  {name:?}"),
        None => "  organization  none: the directory does not know the workspace".into(),
    });
    lines.push(format!("  retention     {}", explanation.retention));
    why(explanation, &mut lines);
    match &explanation.cutoff {
        None => lines.push("  cutoff        none: nothing is ever deleted".into()),
        Some(cutoff) => bounds(cutoff, explanation, &mut lines),
    }
    let quoted: Vec<String> = explanation
        .own_projects
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    if !quoted.is_empty() {
        lines.push(format!(
            "  not included  projects with rules of their own: {}",
            quoted.join(", ")
        ));
    }
    let guards = &explanation.guards;
    for hold in guards.holds.iter().chain(&guards.project_holds) {
        lines.push(format!("  held          {}", hold.describe()));
    }
    for pause in &guards.pauses {
        lines.push(format!(
            "  paused        {} since {} ({})",
            pause.scope, pause.since, pause.reason
        ));
    }
    let revision = explanation.base.as_ref().and_then(|base| base.revision);
    for change in &explanation.target_changes {
        let since = revision.unwrap_or_default();
        lines.push(format!("  waits         {change} since revision {since}"));
    }
    if let Some(row) = &explanation.row {
        lines.extend(row.describe());
    }
    lines.join("\n")
}

fn why(explanation: &Explanation, lines: &mut Vec<String>) {
    lines.push("  why".into());
    let rule_line = |rule: &RuleLine| {
        let past = if rule.apply_to_past {
            ""
        } else {
            ", only rows from its creation on"
        };
        format!(
            "rule {}: {} {}{past}, since {}",
            rule.rule, rule.scope, rule.retention, rule.created_at
        )
    };
    let default = format!("the default of the config: {}", explanation.default);
    match &explanation.winner {
        Some(rule) => lines.push(format!("    won   {}", rule_line(rule))),
        None => lines.push(format!("    won   {default}")),
    }
    for rule in &explanation.losers {
        lines.push(format!("    lost  {}", rule_line(rule)));
    }
    if explanation.winner.is_some() {
        lines.push(format!("    lost  {default}"));
    }
}

fn bounds(cutoff: &CutoffLine, explanation: &Explanation, lines: &mut Vec<String>) {
    lines.push(format!("  cutoff        {} ({})", cutoff.at, cutoff.id));
    if let Some(id) = &cutoff.min_id {
        lines.push(format!("  not below     {id}"));
    }
    lines.push(format!(
        "  next cycle    {}",
        next_cycle(cutoff, explanation)
    ));
}

fn next_cycle(cutoff: &CutoffLine, explanation: &Explanation) -> String {
    let guards = &explanation.guards;
    let base = explanation.base.as_ref().filter(|base| base.keeps_back);
    if !cutoff.has_anything_to_do {
        "deletes nothing: the rule is younger than its cutoff".into()
    } else if let Some(pause) = guards.pauses.iter().find(|pause| pause.target.is_none()) {
        format!("deletes nothing: {} is paused", pause.scope)
    } else if let Some(base) = base {
        while_waiting(base)
    } else {
        let held = !guards.holds.is_empty() || !guards.project_holds.is_empty();
        let but = [
            (held, " that no hold keeps"),
            (
                !explanation.target_changes.is_empty(),
                ", but for tables whose target waits",
            ),
        ];
        let but = but
            .into_iter()
            .filter_map(|(is_so, text)| is_so.then_some(text));
        format!(
            "deletes the rows below the cutoff{}",
            but.collect::<String>()
        )
    }
}

/// What goes while the rules of now wait.
fn while_waiting(base: &BaseLine) -> String {
    let wait = match base.armed_until {
        Some(at) => format!("the rules of now are armed until {at}"),
        None => "the rules of now wait for an approval".into(),
    };
    match (base.revision, &base.retention, base.cutoff) {
        (Some(revision), Some(retention), Some(cutoff)) => format!(
            "deletes only the rows below {cutoff}: {wait}, and revision {revision} says {retention}"
        ),
        (Some(revision), Some(retention), None) => {
            format!("deletes nothing: {wait}, and revision {revision} says {retention}")
        }
        _ => format!("deletes nothing yet: {wait}"),
    }
}
