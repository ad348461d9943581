//! `ebbtide rules preview`: what a rule would delete, without saving it.

use clap::Args;
use jiff::Timestamp;

use super::super::output::{grouped, table};
use super::super::scope::{ScopeArgs, check_project};
use super::super::{Context, Exit, Output};
use crate::engine::{Expired, Preview, PreviewTable, RuleChange};

/// Show what a rule would delete, without saving it.
#[derive(Debug, Args)]
#[command(
    override_usage = "ebbtide rules preview (--organization <O> | --workspace <W> [--project <P>]) (--retention <RETENTION> [--no-apply-to-past] | --deactivate)"
)]
pub struct PreviewArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// `unlimited`, the name of a period of the config, or days such as `7d`.
    #[arg(
        long,
        value_name = "RETENTION",
        allow_hyphen_values = true,
        required_unless_present = "deactivate"
    )]
    retention: Option<String>,
    /// Leave rows from before this moment alone.
    #[arg(long)]
    no_apply_to_past: bool,
    /// Look at deactivating the rule of the scope instead.
    #[arg(long, conflicts_with_all = ["retention", "no_apply_to_past"])]
    deactivate: bool,
}

pub(super) async fn run(
    args: &PreviewArgs,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let scope = args.scope.scope()?;
    let retention = args
        .retention
        .as_deref()
        .map(|text| config.periods.retention(text))
        .transpose()?;
    check_project(&scope, "rule", &config)?;
    let change = RuleChange {
        scope,
        retention,
        apply_to_past: !args.no_apply_to_past,
    };
    let engine = context.engine(&config).await?;
    let preview = engine.preview(&change).await?;
    output.result(&preview, |preview| describe(&change, preview))?;
    Ok(if preview.unprobed.is_empty() {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}

fn describe(change: &RuleChange, preview: &Preview) -> String {
    let mut text = match &change.retention {
        Some(retention) => format!("{} with {retention}", change.scope),
        None => format!("{} without its rule", change.scope),
    };
    if !change.apply_to_past {
        text.push_str(", only rows from now on");
    }
    text.push_str(&format!(", as of {}\n", preview.as_of));
    let touched = |table: &&PreviewTable| table.before.n_rows > 0 || table.after.n_rows > 0;
    let tables: Vec<&PreviewTable> = preview.tables.iter().filter(touched).collect();
    if tables.is_empty() {
        text.push_str("nothing of it is expired, before or after the change\n");
    } else {
        text.push_str(&expired(&tables));
        text.push('\n');
    }
    let n_kept: u64 = preview.tables.iter().map(|table| table.n_kept).sum();
    if n_kept > 0 {
        text.push_str(&format!(
            "{} of those expired would stay: other tables refer to them\n",
            grouped(n_kept)
        ));
    }
    for unprobed in &preview.unprobed {
        let table = unprobed.table.as_deref().unwrap_or("every table");
        text.push_str(&format!(
            "not looked at: {table} on {}: {}\n",
            unprobed.shard, unprobed.reason
        ));
    }
    text.push_str("nothing was saved");
    text
}

fn expired(tables: &[&PreviewTable]) -> String {
    let line = |name: String, when: &str, expired: &Expired| {
        let instant = |at: Option<Timestamp>| at.map_or_else(|| "-".into(), |at| at.to_string());
        [
            name,
            when.to_owned(),
            grouped(expired.n_rows),
            grouped(expired.n_bytes),
            grouped(expired.n_parts),
            instant(expired.oldest),
            instant(expired.newest),
        ]
    };
    let shards: std::collections::BTreeSet<&str> =
        tables.iter().map(|table| &*table.shard).collect();
    let rows = tables.iter().flat_map(|table| {
        let name = if shards.len() > 1 {
            format!("{} on {}", table.table, table.shard)
        } else {
            table.table.to_string()
        };
        [
            line(name, "now", &table.before),
            line(String::new(), "then", &table.after),
        ]
    });
    table(
        [
            "table", "expired", "rows", "bytes", "parts", "oldest", "newest",
        ],
        &[2, 3, 4],
        rows,
    )
}
