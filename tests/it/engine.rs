//! A cycle on real servers: guards, order, healing, and what a crash leaves.

mod cycle;
mod order;
pub mod world;
