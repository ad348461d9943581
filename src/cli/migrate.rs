//! `ebbtide migrate`

use serde_json::json;

use super::{Context, Exit, Output};

pub(super) async fn run(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let applied = context.raw_ledger(&config).await?.migrate().await?;
    output.result(&json!({"applied": applied}), |_| {
        if applied.is_empty() {
            "the ledger is up to date".into()
        } else {
            format!("applied {}", applied.join(", "))
        }
    })?;
    Ok(Exit::Done)
}
