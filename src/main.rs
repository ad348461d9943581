//! The `ebbtide` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = ebbtide::clickhouse_server_main() {
        return code;
    }
    ExitCode::SUCCESS
}
