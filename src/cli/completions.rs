//! `ebbtide completions`

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

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
    let script = String::from_utf8_lossy(&text);
    let result = json!({"shell": args.shell.to_string(), "script": script});
    output.result(&result, |_| script.to_string())?;
    Ok(Exit::Done)
}
