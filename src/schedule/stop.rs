//! How a sidecar is told to end.

use tokio_util::sync::CancellationToken;

/// Two words: to end after the current statement, and to wait for it no longer.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begin nothing more.
    pub(super) gently: CancellationToken,
    /// Leave the statement that runs to the server.
    pub(super) at_once: CancellationToken,
}

impl Stop {
    /// Nothing more is begun; the statement that runs is waited for and recorded.
    pub fn after_the_statement(&self) {
        self.gently.cancel();
    }

    /// The statement that runs is not waited for. The server goes on with it, its intent stays
    /// without an outcome, and the next cycle finds it.
    pub fn leave_the_statement(&self) {
        self.gently.cancel();
        self.at_once.cancel();
    }
}
