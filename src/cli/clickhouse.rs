//! `ebbtide clickhouse`: an embedded ClickHouse to play with.

use super::{Exit, Output};

/// Keep an embedded ClickHouse running, to play with.
#[derive(Debug, clap::Args)]
pub struct Clickhouse {}

pub(super) async fn run(_args: &Clickhouse, _output: &mut Output) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}
