//! Benchmarks of the pure stages.

fn main() {}
