//! A cycle on real servers: guards, order, healing, and what a crash leaves.

mod approval;
mod cycle;
mod hold;
mod lease;
mod order;
mod pace;
mod pause;
mod preview;
mod review;
mod slot;
pub mod world;
