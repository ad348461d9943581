//! `ebbtide validate`

use serde_json::json;

use super::output::counted;
use super::{Context, Exit, Output};

pub(super) fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let targets: Vec<&str> = config
        .targets
        .iter()
        .map(|target| target.table.as_str())
        .collect();
    let result = json!({
        "config": context.path(),
        "valid": true,
        "targets": targets,
        "default_retention": config.default_retention,
        "without_effect": config.without_effect,
    });
    let path = context.path().display();
    output.result(&result, |_| {
        let n_targets = u64::try_from(targets.len()).unwrap_or(u64::MAX);
        format!(
            "{path} is valid: {} ({}), default retention {}\n\
             `ebbtide doctor` checks it against the live servers",
            counted(n_targets, "target"),
            targets.join(", "),
            config.default_retention
        )
    })?;
    Ok(Exit::Done)
}
