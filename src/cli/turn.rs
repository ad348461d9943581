//! A turn at deleting: the lease is ours, and Ctrl-C ends it after the statement that runs.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{context, progress};
use crate::config::Config;
use crate::engine::{EngineError, Tenure};
use crate::ledger::Ledger;

/// So often it is asked whether the lease is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long others may take the lease of whoever gives way: who waits for it asks every 10 s.
const GIVES_WAY_FOR: Duration = Duration::from_secs(12);

/// Our turn at deleting.
pub(super) struct Turn {
    pub(super) tenure: Tenure,
    /// Cancelled when a person wants it to end.
    pub(super) stop: CancellationToken,
}

impl Turn {
    /// Takes the lease; fails if another instance is at work.
    pub(super) async fn begin(
        config: &Config,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Self, EngineError> {
        let tenure = Tenure::begin(ledger, &context::holder(), config.serve.lease).await?;
        Ok(Self {
            tenure,
            stop: CancellationToken::new(),
        })
    }

    /// Takes the lease as soon as it is free; fails if another instance is at work for longer than
    /// that.
    pub(super) async fn wait(
        config: &Config,
        ledger: &Arc<dyn Ledger>,
        patience: Duration,
    ) -> Result<Self, EngineError> {
        let began = Instant::now();
        let mut has_said = false;
        loop {
            match Self::begin(config, ledger).await {
                Err(EngineError::Busy { holder, .. }) if began.elapsed() < patience => {
                    if !has_said {
                        let minutes = patience.as_secs() / 60;
                        progress::say(&format!(
                            "{holder} is at work; waits until it is done, {minutes} minutes at most"
                        ));
                        has_said = true;
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Works until it is done, or a second signal ends it at once: then nothing is returned. The
    /// first signal only asks it to stop.
    pub(super) async fn work<T>(&self, work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
        until_told(&self.stop, work).await
    }

    /// The same for long work, which gives the lease to others now and then.
    pub(super) async fn work_in_turns<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Tenure, &CancellationToken) -> T,
    ) -> anyhow::Result<Option<T>> {
        let Self { tenure, stop } = self;
        until_told(stop, work(tenure, stop)).await
    }

    /// Gives the lease back. If that fails, it ends by itself.
    pub(super) async fn end(self) {
        if let Err(error) = self.tenure.release().await {
            progress::warn(&format!(
                "the lease could not be given back, it ends by itself: {error}"
            ));
        }
    }
}

/// Lets others have the lease for a moment, and says so if they take it.
pub(super) async fn give_way(
    tenure: &mut Tenure,
    stop: &CancellationToken,
) -> Result<(), EngineError> {
    let mut said = None;
    let busy = |error: &EngineError| {
        if let EngineError::Busy { holder, .. } = error
            && said.as_ref() != Some(holder)
        {
            progress::say(&format!("{holder} is at work; this goes on afterwards"));
            said = Some(holder.clone());
        }
    };
    tenure.give_way(GIVES_WAY_FOR, stop, busy).await
}

async fn until_told<T>(
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> anyhow::Result<Option<T>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(Some(done)),
            () = either(&mut interrupt, &mut terminate) => {
                if stop.is_cancelled() {
                    progress::say(
                        "left at once; a statement that was sent goes on in ClickHouse, and the \
                         next cycle finds what became of it",
                    );
                    return Ok(None);
                }
                stop.cancel();
                progress::say("ends after the statement that runs; once more to leave at once");
            }
        }
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
