//! Exit codes: what each means, and which one an error gets.

use std::io::Write;
use std::process::ExitCode;

use super::Format;
use crate::engine::EngineError;
use crate::ledger::LedgerError;
use crate::warehouse::WarehouseError;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done, or nothing due.
    Done = 0,
    /// Finished with failed steps.
    Incomplete = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Refused by a guard.
    Refused = 3,
    /// A server cannot be reached.
    Unreachable = 69,
    /// Busy; try later.
    Busy = 75,
}

impl From<Exit> for ExitCode {
    #[expect(clippy::as_conversions, reason = "the codes are the discriminants")]
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<EngineError>() {
                return match error {
                    EngineError::Refused { .. }
                    | EngineError::Stale { .. }
                    | EngineError::Clock { .. } => Self::Refused,
                    EngineError::Unsettled { .. }
                    | EngineError::Busy { .. }
                    | EngineError::Closed { .. }
                    | EngineError::Stopped => Self::Busy,
                    error if error.is_unreachable() => Self::Unreachable,
                    EngineError::Ledger(error) => Self::of_ledger(error),
                    EngineError::Warehouse(error) => Self::of_warehouse(error),
                    _ => Self::Usage,
                };
            }
            if let Some(error) = cause.downcast_ref::<LedgerError>() {
                return Self::of_ledger(error);
            }
            if let Some(error) = cause.downcast_ref::<WarehouseError>() {
                return Self::of_warehouse(error);
            }
        }
        Self::Usage
    }

    fn of_ledger(error: &LedgerError) -> Self {
        match error {
            LedgerError::Unreachable { .. } => Self::Unreachable,
            LedgerError::Busy { .. } => Self::Busy,
            LedgerError::Database { .. } => Self::Incomplete,
            _ => Self::Usage,
        }
    }

    fn of_warehouse(error: &WarehouseError) -> Self {
        if error.is_unreachable() {
            Self::Unreachable
        } else if error.is_configuration() {
            Self::Usage
        } else {
            Self::Incomplete
        }
    }
}

/// The code for an error: what a person can mend is 2, what time can mend is 69 or 75.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    Exit::of(error)
}

/// An error and its causes on one line, each said once.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Wrappers that show their source would say everything twice.
        if !text.ends_with(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

/// Prints an error with its causes, once, and says how the process ends. A reader of stdout that
/// went away is no error.
pub(super) fn report(error: &anyhow::Error, format: Format) -> Exit {
    let is_broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_broken_pipe) {
        return Exit::Done;
    }
    let exit = Exit::of(error);
    let text = chain(error);
    let mut stderr = std::io::stderr().lock();
    let written = match format {
        Format::Text => writeln!(stderr, "error: {text}"),
        Format::Json => {
            #[expect(clippy::as_conversions, reason = "the codes are the discriminants")]
            let code = exit as u8;
            writeln!(
                stderr,
                "{}",
                serde_json::json!({"error": text, "exit_code": code})
            )
        }
    };
    // If stderr is gone there is nobody left to tell.
    written.map_or(exit, |()| exit)
}
