//! `ebbtide workspaces`

mod import;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::output::{counted, table};
use super::{Context, Exit, Output, context, progress};

/// The directory: which workspace belongs to which organization.
#[derive(Debug, Subcommand)]
pub enum Workspaces {
    /// Place a workspace in an organization, or move it there.
    Add {
        /// The workspace.
        #[arg(long, value_name = "W", allow_hyphen_values = true)]
        workspace: String,
        /// The organization.
        #[arg(long, value_name = "O", allow_hyphen_values = true)]
        organization: String,
    },
    /// List the directory.
    List,
    /// Import CSV with the header `workspace,organization`: all of it, or nothing.
    Import {
        /// The file; `-` reads stdin.
        file: PathBuf,
    },
}

type Pair = Result<(Arc<str>, Arc<str>), String>;

pub(super) async fn run(
    verb: &Workspaces,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    if config.directory.is_some() && !matches!(verb, Workspaces::List) {
        bail!("the config names a directory of your own; change the workspaces there");
    }
    match verb {
        Workspaces::Add {
            workspace,
            organization,
        } => {
            let pair: Pair = Ok((workspace.as_str().into(), organization.as_str().into()));
            put(&mut std::iter::once(pair), context, output).await
        }
        Workspaces::List => list(context, output).await,
        Workspaces::Import { file } => import::run(file, context, output).await,
    }
}

async fn put(
    pairs: &mut (dyn Iterator<Item = Pair> + Send),
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let n_changed = ledger.put_workspaces(pairs, &context::user_name()).await?;
    output.result(&json!({"n_changed": n_changed}), |_| {
        format!("{} changed", counted(n_changed, "workspace"))
    })?;
    Ok(Exit::Done)
}

async fn list(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    if config.directory.is_some() {
        progress::warn("the config names a directory of your own; this is the ledger's table");
    }
    let mut pairs = Vec::new();
    let ledger = context.ledger(&config).await?;
    ledger
        .each_workspace(&mut |workspace, organization| pairs.push((workspace, organization)))
        .await?;
    let result: Vec<_> = pairs
        .iter()
        .map(|(workspace, organization)| {
            json!({"workspace": workspace, "organization": organization})
        })
        .collect();
    output.result(&result, |_| {
        if pairs.is_empty() {
            return "the directory is empty; `ebbtide workspaces import FILE` fills it".into();
        }
        let rows = pairs.iter().map(|(workspace, organization)| {
            [format!("{workspace:?}"), format!("{organization:?}")]
        });
        table(["workspace", "organization"], &[], rows)
    })?;
    Ok(Exit::Done)
}
