//! `ebbtide demo`: everything end to end, told as a story.

use super::{Context, Exit, Output};

/// Show everything end to end, on an embedded ClickHouse with sample data.
#[derive(Debug, clap::Args)]
pub struct Demo {}

pub(super) async fn run(_: &Demo, _: &Context, _: &mut Output) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}
