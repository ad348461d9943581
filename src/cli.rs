//! The command line: one file per verb. stdout is data, stderr is talk.

mod apply;
mod audit;
mod backfill;
mod clickhouse;
mod completions;
mod confirm;
mod context;
mod demo;
mod doctor;
mod effect;
mod exit;
mod explain;
mod history;
mod holds;
mod input;
mod left;
mod migrate;
mod mutations;
mod openapi;
mod output;
mod pause;
mod plan;
mod progress;
mod quarantine;
mod reclaim;
mod rules;
mod run;
mod scope;
mod serve;
mod status;
mod token;
mod turn;
mod undo;
mod validate;
mod workspaces;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use self::context::Context;
use self::exit::Exit;
use self::output::Output;

/// Options of every verb stand together, after its own.
const EVERYWHERE: &str = "Options of every verb";

/// Data retention for ClickHouse: rules in, the cheapest correct deletes out.
#[derive(Debug, Parser)]
#[command(
    name = "ebbtide",
    version,
    about,
    max_term_width = 100,
    subcommand_value_name = "VERB"
)]
#[command(
    after_help = "Exit codes: 0 done or nothing due · 1 finished with failed steps · \
    2 usage or config · 3 refused by a guard · 69 a server cannot be reached · 75 busy, try later"
)]
pub struct Cli {
    /// The configuration.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "config.yml",
        env = "EBBTIDE_CONFIG",
        help_heading = EVERYWHERE
    )]
    pub config: PathBuf,
    /// How results are printed on stdout.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = EVERYWHERE)]
    pub format: Format,
    /// Say more on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = EVERYWHERE)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show everything end to end, on an embedded ClickHouse with sample data.
    Demo(demo::Demo),
    /// Check the configuration alone.
    Validate,
    /// Check the configuration against the live servers: schema, grants, lineage, odd data, traps.
    Doctor(doctor::Doctor),
    /// Set, list, import and export rules.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// The directory: which workspace belongs to which organization.
    #[command(subcommand)]
    Workspaces(workspaces::Workspaces),
    /// Say what holds for a workspace or project, why, and what will happen when.
    Explain(explain::Explain),
    /// Show what a cycle would delete, and how; read-only.
    Plan(plan::PlanArgs),
    /// Approve a plan that `plan --out` wrote, and execute exactly that plan.
    Apply(apply::Apply),
    /// One full cycle now: plan, delete, verify, record.
    Run(run::Run),
    /// Delete what is older than an age from one scope, once, whatever the rules say.
    ///
    /// Holds, pauses, `keep`, the floor and the share of a table are respected; no approval is needed
    /// but yours. Told to stop it ends after the statement that runs; the same command goes on.
    Backfill(backfill::BackfillArgs),
    /// The sidecar: works through the slots of each day, and answers the API.
    Serve(serve::Serve),
    /// Who is at work, what holds each table back, what is left of it, and when it should be gone.
    ///
    /// What is left is what `serve` saw last, on whichever instance, as the ledger has it. What holds a
    /// table back is also asked of ClickHouse at this moment.
    Status,
    /// Place, list and release holds: rows that must stay, whatever the rules say.
    #[command(subcommand)]
    Holds(holds::Holds),
    /// Stop deleting: everything, one target, or one workspace.
    Pause(pause::Pause),
    /// Delete again what was paused.
    Resume(pause::Resume),
    /// List our deletes and rewrites that ClickHouse still works on, or end one of them.
    Mutations(mutations::Mutations),
    /// List the partitions in quarantine, and until when each can be brought back.
    Quarantine(quarantine::Quarantine),
    /// Bring partitions back that are in quarantine.
    Undo(undo::Undo),
    /// Free the disk of rows that are deleted.
    ///
    /// It is a person's order: reclaim.enabled is for `serve`.
    Reclaim(reclaim::ReclaimArgs),
    /// Show what was done: cycles and their steps.
    History(history::History),
    /// The record that nobody can edit unnoticed: verify it, export it.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Keep an embedded ClickHouse running, to play with.
    Clickhouse(clickhouse::Clickhouse),
    /// Create the ledger's schema, or bring it up to date.
    Migrate,
    /// Print the description of the API.
    Openapi,
    /// Make a random token for the API.
    Token(token::TokenArgs),
    /// Print shell completions.
    Completions(completions::Completions),
}

/// Parses the arguments of the process and does what they say.
pub fn main() -> ExitCode {
    if let Some(code) = crate::embedded::clickhouse_server_main() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, everything else to stderr with 2.
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            if code == Exit::Usage && wants_json() {
                let message = error.to_string();
                let message = message.trim_start_matches("error: ").trim_end().to_owned();
                return exit::report(&anyhow::Error::msg(message), Format::Json).into();
            }
            let printed = error.print();
            return if printed.is_err() { Exit::Done } else { code }.into();
        }
    };
    // The sidecar's log is as its configuration says.
    if !matches!(cli.verb, Verb::Serve(_)) {
        progress::start_logging(cli.verbose);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::new(error), cli.format).into(),
    };
    let result = runtime.block_on(dispatch(&cli));
    match result {
        Ok(code) => code.into(),
        Err(error) => exit::report(&error, cli.format).into(),
    }
}

/// Whether `--format json` was asked for, when the arguments could not be parsed.
fn wants_json() -> bool {
    let arguments: Vec<_> = std::env::args_os().collect();
    let after = |pair: &[std::ffi::OsString]| matches!(pair, [flag, value] if flag == "--format" && value == "json");
    arguments.iter().any(|argument| argument == "--format=json") || arguments.windows(2).any(after)
}

async fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let mut output = Output::new(cli.format);
    let context = Context::new(&cli.config, cli.format);
    match &cli.verb {
        Verb::Demo(args) => demo::run(args, &context, &mut output).await,
        Verb::Validate => validate::run(&context, &mut output),
        Verb::Doctor(args) => doctor::run(args, &context, &mut output).await,
        Verb::Rules(verb) => rules::run(verb, &context, &mut output).await,
        Verb::Workspaces(verb) => workspaces::run(verb, &context, &mut output).await,
        Verb::Explain(args) => explain::run(args, &context, &mut output).await,
        Verb::Plan(args) => plan::run(args, &context, &mut output).await,
        Verb::Apply(args) => Box::pin(apply::run(args, &context, &mut output)).await,
        Verb::Run(args) => Box::pin(run::run(args, &context, &mut output)).await,
        Verb::Backfill(args) => Box::pin(backfill::run(args, &context, &mut output)).await,
        Verb::Status => status::run(&context, &mut output).await,
        Verb::Holds(verb) => holds::run(verb, &context, &mut output).await,
        Verb::Pause(args) => pause::pause(args, &context, &mut output).await,
        Verb::Resume(args) => pause::resume(args, &context, &mut output).await,
        Verb::Reclaim(args) => Box::pin(reclaim::run(args, &context, &mut output)).await,
        Verb::Mutations(args) => mutations::run(args, &context, &mut output).await,
        Verb::Quarantine(args) => quarantine::run(args, &context, &mut output).await,
        Verb::Undo(args) => Box::pin(undo::run(args, &context, &mut output)).await,
        Verb::History(args) => history::run(args, cli.verbose, &context, &mut output).await,
        Verb::Audit(verb) => audit::run(verb, &context, &mut output).await,
        Verb::Serve(args) => serve::run(args, &context, cli.verbose).await,
        Verb::Clickhouse(args) => clickhouse::run(args, &context, &mut output).await,
        Verb::Migrate => migrate::run(&context, &mut output).await,
        Verb::Openapi => openapi::run(&mut output),
        Verb::Token(args) => token::run(args, &mut output),
        Verb::Completions(args) => completions::run(args, &mut output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
