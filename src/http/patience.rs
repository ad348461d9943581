//! How long a request waits for the ledger.
//!
//! Only for what it reads: of a change that was given up nobody would know whether it happened.

use std::time::Duration;

use super::problem::{Answer, Problem};
use crate::ledger::LedgerError;

/// A network that swallows everything must not keep a request until its own end.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// What the ledger answers, or 503 if it does not answer soon.
pub(super) async fn promptly<T>(asking: impl Future<Output = Result<T, LedgerError>>) -> Answer<T> {
    if let Some(answer) = soon(asking).await {
        return Ok(answer?);
    }
    tracing::warn!(
        patience_ms = PATIENCE.as_millis(),
        "a request could not be answered: the ledger is silent"
    );
    Err(Problem::unavailable(
        "the ledger does not answer; try again later",
    ))
}

/// What is nice to know, if it is known soon.
pub(super) async fn soon<T>(asking: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asking).await.ok()
}
