//! A configuration in force, the engine made from it, and what such an engine is made from.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::ledger::Ledger;
use crate::telemetry::{Metrics, Watch, metric};

/// What is replaced as a whole when the configuration is read again.
pub struct Live {
    /// The configuration.
    pub config: Config,
    /// The engine made from it.
    pub engine: Engine,
    /// Cancelled when another one has taken its place.
    pub(super) replaced: CancellationToken,
    /// Whether its settings are noted in the ledger.
    noted: OnceCell<()>,
    /// A revision, and until when nobody asks again whether there is a plan of it to review.
    pub(super) kept_for: Mutex<Option<(u64, Timestamp)>>,
}

impl Live {
    /// A configuration with the engine made from it.
    pub fn new(config: Config, engine: Engine) -> Self {
        Self {
            config,
            engine,
            replaced: CancellationToken::new(),
            noted: OnceCell::new(),
            kept_for: Mutex::default(),
        }
    }

    /// Notes the settings as soon as they are in force: what they free is looked at again on the same
    /// day, and armed from now on. Once only: instances of two configurations would take turns.
    pub(super) async fn note_settings(&self, instance: &str) -> Result<(), EngineError> {
        let note = async || self.engine.note_settings(instance).await.map(drop);
        self.noted.get_or_try_init(note).await.copied()
    }
}

/// What an engine is made from, beside its configuration.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) board: Board,
}

impl Parts {
    pub(super) fn live(&self, config: Config) -> Result<Arc<Live>, EngineError> {
        let watch = Watch::new(self.metrics.clone());
        let (board, clock) = (self.board.clone(), Arc::clone(&self.clock));
        let engine = Engine::new(&config, Arc::clone(&self.ledger), Arc::clone(&self.clock))?
            .observed_by(move |event| {
                watch.hear(event);
                board.hear(event, clock.now());
            });
        self.metrics.know_tables(tables(&config));
        self.metrics
            .set_count(metric::ENABLED, &[], config.enabled.into());
        Ok(Arc::new(Live::new(config, engine)))
    }
}

pub(super) fn tables(config: &Config) -> impl Iterator<Item = &str> {
    config.targets.iter().map(|target| target.table.as_str())
}
