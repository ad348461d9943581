//! The schedule of the sidecar: slots, the lease, and the loop of `serve`.

mod attempts;
mod board;
mod next;
mod reload;
mod status;

use std::sync::Arc;

use crate::config::Config;
use crate::engine::Engine;

pub use status::{Phase, Status, TargetStatus};

/// What is replaced as a whole when the configuration is read again.
pub struct Live {
    /// The configuration.
    pub config: Config,
    /// The engine made from it.
    pub engine: Engine,
}
