//! How a sidecar is told to end.

use std::time::Duration;

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
    /// How much longer than `serve.shutdown_timeout` an end may take at most, whatever hangs: to tell
    /// a signal from its repetition, and to say the last words. Then the process is ended.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// What comes of this, unless it is told to end before: for what may be left anywhere.
    pub(super) async fn unless_told<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.gently.cancelled() => None,
        }
    }

    /// The same for one turn of the loop, which may also be told to end by itself.
    pub(super) fn of_a_turn(&self) -> Self {
        Self {
            gently: self.gently.child_token(),
            at_once: self.at_once.clone(),
        }
    }

    /// Tells it to end gently as soon as its configuration is replaced; never comes to an end.
    pub(super) async fn when_replaced(&self, replaced: &CancellationToken) {
        replaced.cancelled().await;
        self.gently.cancel();
        std::future::pending::<()>().await;
    }

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
