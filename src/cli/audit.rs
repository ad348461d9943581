//! `ebbtide audit`: the record that nobody can edit unnoticed.

mod verify;

use std::io::{self, BufWriter, Write};

use clap::Subcommand;

use super::{Context, Exit, Output};
use crate::audit::Entry;

/// The record that nobody can edit unnoticed: verify it, export it.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Look for entries that were edited, removed, added or put in another order.
    Verify(verify::Verify),
    /// Write the record as JSON lines, oldest first.
    Export,
}

pub(super) async fn run(
    verb: &Audit,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    match verb {
        Audit::Verify(args) => verify::run(args, context, output).await,
        Audit::Export => export(context, output).await,
    }
}

async fn export(context: &Context, output: &mut Output) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let ledger = context.ledger(&config).await?;
    let mut written: io::Result<()> = Ok(());
    {
        let mut sink = BufWriter::new(output.sink());
        let mut write = |entry: &Entry| -> io::Result<()> {
            serde_json::to_writer(&mut sink, entry)?;
            sink.write_all(b"\n")
        };
        ledger
            .each_entry(0, None, &mut |entry| {
                if written.is_ok() {
                    written = write(&entry);
                }
            })
            .await?;
        if written.is_ok() {
            written = sink.flush();
        }
    }
    written?;
    Ok(Exit::Done)
}
