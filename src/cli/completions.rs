//! `ebbtide completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, Output};

/// Print shell completions.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(super) fn run(args: &Completions, output: &mut Output) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ebbtide", &mut text);
    output.line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Exit::Done)
}
