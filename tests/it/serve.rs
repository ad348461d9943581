//! The sidecar: real processes against real servers, and the loop in this process where the time of
//! day matters.

mod again;
mod approval;
mod backlog;
mod budget;
mod by_hand;
mod day;
mod instances;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod outage;
mod pace;
mod process;
mod quarantined;
mod reclaim;
mod reload;
mod said;
mod shared;
mod signals;
mod skew;
mod slice;
mod status;
mod town;

use process::Process;
use town::Town;
