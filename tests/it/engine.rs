//! A cycle on real servers: guards, order, healing, and what a crash leaves.

mod aftermath;
mod approval;
mod change;
mod cycle;
mod hold;
mod lease;
mod method;
mod order;
mod pace;
mod pause;
mod preview;
mod reach;
mod reclaim;
mod review;
mod slot;
mod whole;
pub mod world;
