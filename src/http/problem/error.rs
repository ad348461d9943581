//! What becomes of errors of the ledger and of the engine.

use super::{Place, Problem};
use crate::engine::EngineError;
use crate::ledger::LedgerError;

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unreachable { .. } => {
                tracing::warn!(%error, "a request could not be answered");
                Self::unavailable("the ledger cannot be reached; try again later")
            }
            LedgerError::NotMigrated { .. } | LedgerError::TooNew { .. } => {
                tracing::error!(%error, "a request could not be answered");
                Self::unavailable(
                    "the ledger is of another version than the sidecar; whoever operates it must \
                     migrate the one or upgrade the other",
                )
            }
            LedgerError::Busy { .. } => Self::busy("others are changing the ledger; try again"),
            LedgerError::RequestKeyReused => Self::invalid(
                Place::Header,
                "Idempotency-Key",
                "this key was used for another request; use a new key for each request",
            ),
            LedgerError::Instant { at } => Self::invalid(
                Place::Body,
                ".",
                format!("{at} is outside of 1970 to 9999 and cannot be kept"),
            ),
            error => Self::internal(&error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Ledger(error) => error.into(),
            EngineError::Stale { changes } => Self::stale(changes),
            EngineError::Refused { refusals } => Self::refused(&refusals),
            EngineError::Rules { problems } => {
                tracing::error!(rules = problems.join("; "), "rules cannot be used");
                Self::unusable_rules(problems)
            }
            EngineError::Unsettled { .. } => {
                Self::busy("rules keep changing while they are read; try again")
            }
            error if error.is_unreachable() => {
                tracing::warn!(%error, "a request could not be answered");
                Self::unavailable("a server that this needs cannot be reached; try again later")
            }
            error => Self::internal(&error),
        }
    }
}
