//! Help texts, as golden files.

use clap::CommandFactory;
use ebbtide::cli::Cli;

use super::matches_snapshot;

/// Every verb and verb under a verb, such as `rules add`; the program itself first.
pub fn verbs() -> Vec<String> {
    fn collect(command: &clap::Command, path: &str, verbs: &mut Vec<String>) {
        verbs.push(path.to_owned());
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            collect(verb, format!("{path} {}", verb.get_name()).trim(), verbs);
        }
    }
    let mut verbs = Vec::new();
    collect(&Cli::command(), "", &mut verbs);
    verbs
}

pub fn snapshot_of(verb: &str) -> String {
    format!("help {verb}").trim().replace(' ', "_")
}

#[test]
fn help_texts() {
    for verb in verbs() {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args(verb.split_whitespace())
            .arg("--help")
            .env_remove("EBBTIDE_CONFIG")
            .env_remove("EBBTIDE_LIBCHDB")
            .env("COLUMNS", "100")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(output.stderr.is_empty(), "{verb}: help is data");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        matches_snapshot!(snapshot_of(&verb), lines.join("\n"));
    }
}

/// Each verb is in `docs/cli.md`, and so is each of its options.
#[test]
fn every_verb_and_option_is_documented() {
    let page = std::fs::read_to_string("docs/cli.md").unwrap();
    check(&Cli::command(), "", &page);
}

fn check(command: &clap::Command, path: &str, page: &str) {
    let verb = format!("{path} {}", command.get_name());
    assert!(
        page.contains(verb.trim()),
        "docs/cli.md does not name `{}`",
        verb.trim()
    );
    for argument in command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
    {
        if let Some(long) = argument.get_long().filter(|long| *long != "help") {
            assert!(
                page.contains(&format!("--{long}")),
                "docs/cli.md does not name --{long} of `{verb}`"
            );
        }
    }
    for below in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        check(below, verb.trim(), page);
    }
}

#[test]
fn the_arguments_are_well_formed() {
    Cli::command().debug_assert();
}
