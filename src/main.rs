//! The `ebbtide` binary: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    ebbtide::cli::main()
}
