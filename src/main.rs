//! The `ebbtide` binary: parse, run, exit.

use std::process::ExitCode;

/// Gives memory back after a large plan: a sidecar runs for years beside the backend.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ebbtide::cli::main()
}
