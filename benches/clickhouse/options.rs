//! What to measure: from the environment, all of it with defaults.

use std::path::PathBuf;
use std::time::Duration;

pub struct Options {
    /// `BENCH_SPANS`: sizes, separated by commas; each becomes the next multiple of [`STEP`].
    pub sizes: Vec<u64>,
    /// `BENCH_RUNS`: runs of each way; the median counts.
    pub n_runs: usize,
    /// `BENCH_PATIENCE`: a way whose first run takes more seconds than this runs only once.
    pub patience: Duration,
    /// `BENCH_DIR`: where the server keeps its data; spans that are there already are used again.
    pub directory: PathBuf,
    /// `BENCH_ONLY`: only situations that have one of these texts, separated by commas, in their
    /// name and layout, as in `nothing due daily`.
    pub only: Vec<String>,
    /// `BENCH_NICENESS`: of the server's merges and mutations; 19 is what docs/operations.md advises.
    pub niceness: u32,
}

/// Five spans a trace, and 98 days of equal size.
const STEP: u64 = 490;

impl Options {
    pub fn of_environment() -> Self {
        let text =
            |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let sizes = text("BENCH_SPANS", "1000000,20000000")
            .split(',')
            .map(|size| size.trim().parse::<u64>().unwrap().next_multiple_of(STEP))
            .collect();
        let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-clickhouse");
        Self {
            sizes,
            n_runs: text("BENCH_RUNS", "3").parse().unwrap(),
            patience: Duration::from_secs(text("BENCH_PATIENCE", "60").parse().unwrap()),
            directory: text("BENCH_DIR", target).into(),
            only: text("BENCH_ONLY", "")
                .split(',')
                .map(str::to_owned)
                .collect(),
            niceness: text("BENCH_NICENESS", "19").parse().unwrap(),
        }
    }
}
