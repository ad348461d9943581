//! A cycle on real servers: guards, order, healing, and what a crash leaves.

mod aftermath;
mod approval;
mod backfill;
mod budget;
mod change;
mod cycle;
mod hidden;
mod hold;
mod lease;
mod method;
mod order;
mod pace;
mod partition;
mod pause;
mod preview;
mod quarantine;
mod reach;
mod reclaim;
mod review;
mod slot;
mod split;
mod whole;
pub mod world;
